/* Gradients of a dense synapse, to its weights and to its input, for training.
 *
 * N frames: T of B samples; frame t * B + b.
 *   x [N, K]   y, gy [N, M]   gweight [M, K]
 *   slope, offset [M]: the gradient of a sum is gy + offset + slope * y; without slope it is gy
 *
 * Weights. Threads share inputs or outputs, never frames, so no gradient is added up in parts. Sums of a block of frames
 * stay in registers. Few outputs: outer products, a vector of inputs at a time. Many: spikes are few, so a block's
 * nonzero inputs are sorted by input (`sort`), and the outputs' gradients of each input's events are added.
 * Inputs. A product of matrices, blocked so that sums stay in registers.
 */

#define FEW (M <= 32) /* outputs */
#define UNIT (M > 512 ? 128 : 64) /* inputs (few outputs) or outputs that a thread takes at a time */
#define UNITS UP(FEW ? K : M, UNIT)
#define BLOCK (FEW ? 256 : 512) /* frames */
#define PAIR 2 /* vectors of inputs at a time, so that a gradient is loaded once for both */
#define WIDTH (PAIR * VL)
#define GROUPS UP(M, MOST_SUMS / PAIR)
#define SUMS UP(M, GROUPS) /* outputs whose sums stay in registers, where they are few */
#define FRAMES 4
#define COLUMNS 4 /* vectors of inputs at a time: FRAMES * COLUMNS sums in registers */
#define ROWS_OF_TILE 64
#define K_PADDED (UP(K, 16) * 16 + 16) /* rows of a power of two would share the places of a cache */

typedef float vector __attribute__((vector_size(4 * VL), aligned(4)));

#define ALIGNED(work) (float *)(((uintptr_t)(work) + 63) & ~(uintptr_t)63) /* thread-local memory is not so far */

/* `count` numbers of a row: the gradients of sums from first..first + count - 1. */
INLINE void load_row(const int count, const int first, const Y *restrict y, const float *restrict gy,
                     const float *restrict slope, const float *restrict offset, float *restrict row)
{
    if (slope)
        for (int o = 0; o < count; o++)
            row[o] = gy[o] + offset[first + o] + slope[first + o] * (float)y[o];
    else
        memcpy(row, gy, sizeof(float) * (size_t)count);
}

#if FEW

void sort(int64_t first, int64_t last, int64_t N, const uint8_t *restrict x, uint32_t *restrict events,
          int32_t *restrict from);

void sort(int64_t first, int64_t last, int64_t N, const uint8_t *restrict x, uint32_t *restrict events,
          int32_t *restrict from)
{
    (void)first, (void)last, (void)N, (void)x, (void)events, (void)from;
}

/* Bytes as reals; compilers widen them one by one. */
INLINE vector reals(const uint8_t *p)
{
#if VL == 16
    return (vector)_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
#elif VL == 8 && defined(__AVX2__)
    return (vector)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
#else
    vector v;
    for (int i = 0; i < VL; i++)
        v[i] = (float)p[i];
    return v;
#endif
}

/* PAIR vectors of inputs with each of SUMS outputs. */
INLINE void outer(const int frames, const uint8_t *restrict x, const int64_t stride, const float *restrict g,
                  vector *restrict total)
{
    vector sum[SUMS][PAIR];
#pragma GCC unroll 32
    for (int o = 0; o < SUMS; o++)
#pragma GCC unroll 2
        for (int q = 0; q < PAIR; q++)
            sum[o][q] = (vector){0};
    for (int f = 0; f < frames; f++) {
        vector v[PAIR];
#pragma GCC unroll 2
        for (int q = 0; q < PAIR; q++)
            v[q] = reals(x + f * stride + q * VL);
#pragma GCC unroll 32
        for (int o = 0; o < SUMS; o++)
#pragma GCC unroll 2
            for (int q = 0; q < PAIR; q++)
                sum[o][q] += v[q] * g[f * SUMS + o];
    }
#pragma GCC unroll 32
    for (int o = 0; o < SUMS; o++)
#pragma GCC unroll 2
        for (int q = 0; q < PAIR; q++)
            total[o * PAIR + q] = sum[o][q];
}

void weights(int64_t first, int64_t last, int64_t N, const uint8_t *restrict x, const Y *restrict y,
             const float *restrict gy, const float *restrict slope, const float *restrict offset,
             const uint32_t *restrict events, const int32_t *restrict from, float *restrict gweight);

/* Inputs first * UNIT..last * UNIT - 1. */
void weights(int64_t first, int64_t last, int64_t N, const uint8_t *restrict x, const Y *restrict y,
             const float *restrict gy, const float *restrict slope, const float *restrict offset,
             const uint32_t *restrict events, const int32_t *restrict from, float *restrict gweight)
{
    static _Thread_local float work[GROUPS * BLOCK * SUMS + 16];
    static _Thread_local uint8_t edge[BLOCK * WIDTH];
    float *const g = ALIGNED(work); /* [GROUPS, BLOCK, SUMS] */
    const int64_t end = LESS(last * UNIT, K);
    (void)events, (void)from;
    for (int o = 0; o < M; o++)
        memset(gweight + (int64_t)o * K + first * UNIT, 0, sizeof(float) * (size_t)(end - first * UNIT));
    memset(g, 0, sizeof(float) * GROUPS * BLOCK * SUMS);
    for (int64_t n0 = 0; n0 < N; n0 += BLOCK) {
        const int frames = (int)LESS(BLOCK, N - n0);
        for (int q = 0; q < GROUPS; q++)
            for (int f = 0; f < frames; f++) {
                const int64_t at = (n0 + f) * M + q * SUMS;
                load_row(LESS(SUMS, M - q * SUMS), q * SUMS, y + at, gy + at, slope, offset,
                         g + (q * BLOCK + f) * SUMS);
            }
        for (int f = 0; f < frames; f++)
            for (int64_t k = first * UNIT; k < end; k += UNIT)
                __builtin_prefetch(x + (n0 + f) * K + k);
        for (int64_t k = first * UNIT; k < end; k += WIDTH) {
            const int inside = (int)LESS(WIDTH, K - k);
            const uint8_t *in = x + n0 * K + k;
            int64_t stride = K;
            if (inside < WIDTH) { /* a vector would read past the last frame */
                for (int f = 0; f < frames; f++)
                    memcpy(edge + f * WIDTH, in + (int64_t)f * K, (size_t)inside);
                in = edge;
                stride = WIDTH;
            }
            for (int q = 0; q < GROUPS; q++) {
                vector total[SUMS * PAIR];
                outer(frames, in, stride, g + q * BLOCK * SUMS, total);
                for (int o = 0; o < SUMS && q * SUMS + o < M; o++) {
                    float *restrict to = gweight + (int64_t)(q * SUMS + o) * K + k;
                    const float *restrict row = (const float *)(total + o * PAIR);
                    if (inside == WIDTH)
                        for (int i = 0; i < WIDTH; i++)
                            to[i] += row[i];
                    else
                        for (int i = 0; i < inside; i++)
                            to[i] += row[i];
                }
            }
        }
    }
}

#else

void sort(int64_t first, int64_t last, int64_t N, const uint8_t *restrict x, uint32_t *restrict events,
          int32_t *restrict from);

/* Of blocks first..last - 1 the nonzero inputs, by input, then by frame: events [blocks, BLOCK * K] (frame in the block,
 * value << 16), and from [blocks, K + 1], where those of an input begin. */
void sort(int64_t first, int64_t last, int64_t N, const uint8_t *restrict x, uint32_t *restrict events,
          int32_t *restrict from)
{
    static _Thread_local uint32_t index[BLOCK * K + 16];
    static _Thread_local int32_t found[BLOCK + 1];
    for (int64_t b = first; b < last; b++) {
        const uint8_t *restrict in = x + b * BLOCK * K;
        const int frames = (int)LESS(BLOCK, N - b * BLOCK);
        int32_t *restrict at = from + b * (K + 1);
        uint32_t *restrict to = events + b * BLOCK * K;
        memset(at, 0, sizeof(int32_t) * (K + 1));
        found[0] = 0;
        for (int f = 0; f < frames; f++) {
            found[f + 1] = found[f] + nonzero_indices(in + (int64_t)f * K, K, index + found[f]);
            for (int32_t e = found[f]; e < found[f + 1]; e++)
                at[index[e] + 1]++;
        }
        for (int k = 0; k < K; k++)
            at[k + 1] += at[k];
        for (int f = frames - 1; f >= 0; f--) /* at[k + 1] moves down to the first event of k */
            for (int32_t e = found[f]; e < found[f + 1]; e++)
                to[--at[index[e] + 1]] = (uint32_t)f | (uint32_t)in[(int64_t)f * K + index[e]] << 16;
        memmove(at, at + 1, sizeof(int32_t) * K);
        at[K] = found[frames];
    }
}

void weights(int64_t first, int64_t last, int64_t N, const uint8_t *restrict x, const Y *restrict y,
             const float *restrict gy, const float *restrict slope, const float *restrict offset,
             const uint32_t *restrict events, const int32_t *restrict from, float *restrict gweight);

/* Outputs first * UNIT..last * UNIT - 1. */
void weights(int64_t first, int64_t last, int64_t N, const uint8_t *restrict x, const Y *restrict y,
             const float *restrict gy, const float *restrict slope, const float *restrict offset,
             const uint32_t *restrict events, const int32_t *restrict from, float *restrict gweight)
{
    static _Thread_local float work[(BLOCK + K) * UNIT + 16];
    float *const g = ALIGNED(work);          /* [BLOCK, UNIT] */
    float *const total = g + BLOCK * UNIT; /* [K, UNIT] */
    (void)x;
    for (int64_t u = first; u < last; u++) {
        const int outputs = (int)LESS(UNIT, M - u * UNIT);
        memset(g, 0, sizeof(float) * (BLOCK + K) * UNIT);
        for (int64_t b = 0; b * BLOCK < N; b++) {
            const int frames = (int)LESS(BLOCK, N - b * BLOCK);
            const int32_t *restrict at = from + b * (K + 1);
            const uint32_t *restrict event = events + b * BLOCK * K;
            for (int f = 0; f < frames; f++) {
                const int64_t n = (b * BLOCK + f) * M + u * UNIT;
                load_row(outputs, (int)(u * UNIT), y + n, gy + n, slope, offset, g + f * UNIT);
            }
            for (int k = 0; k < K; k++) {
                vector sum[UNIT / VL];
#pragma GCC unroll 16
                for (int q = 0; q < UNIT / VL; q++)
                    sum[q] = (vector){0};
                for (int32_t e = at[k]; e < at[k + 1]; e++) {
                    const float *restrict row = g + (event[e] & 0xffff) * UNIT;
                    const float value = (float)(int32_t)(event[e] >> 16);
#pragma GCC unroll 16
                    for (int q = 0; q < UNIT / VL; q++)
                        sum[q] += MOST > 1 ? value * *(const vector *)(row + q * VL) : *(const vector *)(row + q * VL);
                }
#pragma GCC unroll 16
                for (int q = 0; q < UNIT / VL; q++)
                    *(vector *)(total + k * UNIT + q * VL) += sum[q];
            }
        }
        for (int o0 = 0; o0 < outputs; o0 += 16)
            for (int k0 = 0; k0 < K; k0 += 16) /* transposed, a cache line of each row at a time */
                for (int o = o0; o < outputs && o < o0 + 16; o++)
                    for (int k = k0; k < K && k < k0 + 16; k++)
                        gweight[(u * UNIT + o) * K + k] = total[k * UNIT + o];
    }
}

#endif

int64_t units(void);
int64_t block(void);
int64_t sorts(void);

/* Units that threads share, frames of a block, and whether events must be sorted before. */
int64_t units(void)
{
    return UNITS;
}

int64_t block(void)
{
    return BLOCK;
}

int64_t sorts(void)
{
    return !FEW;
}

/* gx of a few frames for `count` vectors of inputs from k on; g [frames, M], weight and gx from k on. */
INLINE void columns(const int rows, const int count, const int k, const float *restrict g,
                    const float *restrict weight, float *restrict gx)
{
    vector sum[FRAMES][COLUMNS];
#pragma GCC unroll 4
    for (int f = 0; f < rows; f++)
#pragma GCC unroll 4
        for (int q = 0; q < count; q++)
            sum[f][q] = (vector){0};
    for (int o = 0; o < M; o++) {
#pragma GCC unroll 4
        for (int q = 0; q < count; q++) {
            const vector w = *(const vector *)(weight + (int64_t)o * K_PADDED + q * VL);
#pragma GCC unroll 4
            for (int f = 0; f < rows; f++)
                sum[f][q] += g[f * M + o] * w;
        }
    }
#pragma GCC unroll 4
    for (int f = 0; f < rows; f++)
#pragma GCC unroll 4
        for (int q = 0; q < count; q++) {
            if (k + (q + 1) * VL <= K)
                *(vector *)(gx + (int64_t)f * K + q * VL) = sum[f][q];
            else if (k + q * VL < K)
                memcpy(gx + (int64_t)f * K + q * VL, &sum[f][q], sizeof(float) * (K % VL));
        }
}

INLINE void rows_of(const int rows, const int k, const float *restrict g, const float *restrict weight,
                    float *restrict gx)
{
    if (K - k >= COLUMNS * VL)
        columns(rows, COLUMNS, k, g, weight, gx);
    else
        columns(rows, UP(K, VL) % COLUMNS ? UP(K, VL) % COLUMNS : COLUMNS, k, g, weight, gx);
}

void inputs(int64_t b0, int64_t b1, int64_t B, int64_t T, const Y *restrict y, const float *restrict gy,
            const float *restrict slope, const float *restrict offset, const float *restrict weight,
            float *restrict gx);

/* Samples b0..b1 - 1: weight [M, K_PADDED] to gx [T, b1 - b0, K]. */
void inputs(int64_t b0, int64_t b1, int64_t B, int64_t T, const Y *restrict y, const float *restrict gy,
            const float *restrict slope, const float *restrict offset, const float *restrict weight,
            float *restrict gx)
{
    static _Thread_local float g[ROWS_OF_TILE * M];
    const int64_t samples = b1 - b0, total = T * samples;
    for (int64_t n0 = 0; n0 < total; n0 += ROWS_OF_TILE) {
        const int frames = (int)LESS(ROWS_OF_TILE, total - n0);
        for (int f = 0; f < frames; f++) {
            const int64_t n = (n0 + f) / samples * B + b0 + (n0 + f) % samples;
            load_row(M, 0, y + n * M, gy + n * M, slope, offset, g + f * M);
        }
        for (int k = 0; k < K; k += COLUMNS * VL) {
            int f = 0;
            for (; f + FRAMES <= frames; f += FRAMES)
                rows_of(FRAMES, k, g + f * M, weight + k, gx + (n0 + f) * K + k);
            for (; f < frames; f++)
                rows_of(1, k, g + f * M, weight + k, gx + (n0 + f) * K + k);
        }
    }
}
