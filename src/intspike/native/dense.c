/* Every input to every output: uint8 inputs, int8 weights, exact sums.
 *
 *   x [N, K]   y [N, M]   y = x @ w.T
 *
 * Sizes are macros. The dense path keeps ROWS x CHUNK vectors of sums in registers, weights packed
 * [GROUP inputs][M][GROUP]. The event path keeps a row's sums in registers and adds the weights of its nonzero inputs.
 * The share of nonzero inputs of a few rows chooses between them.
 */
#define STEPS UP(K, GROUP)
#define VECTORS UP(M, LANES)
#define CHUNK LESS(2, VECTORS) /* so narrow that their weights stay in the first cache from row to row */
#define ROWS LESS(12, REGISTERS / CHUNK)
#define IN_PLACE (GROUP == 4 && K % 4 == 0)
#define TILE (8 * ROWS) /* rows that read the weights once and choose their path together */

/* Where events become slower than the dense path, measured: permille of nonzero inputs. */
#if GROUP == 4
#define CROSSOVER (VECTORS > 4 ? 190 : VECTORS > 2 ? 150 : VECTORS == 2 && K < 512 ? 60 : 0)
#else
#define CROSSOVER (VECTORS > 4 ? (BYTES > 16 ? 550 : 400) : 0)
#endif
#define SAMPLE 4 /* of so many rows one is counted */


#if BITS == 16
#define RESULT int16_t
#define WIDE vec_16
#define CODES codes_16
#define STORE vec_store_16
#else
#define RESULT int32_t
#define WIDE vec
#define CODES codes_32
#define STORE vec_store_32
#endif
#define result RESULT

/* Event path: lanes as wide as the results. */
#define EVENT_LANES (BYTES / (int)sizeof(result))
#define EVENT_VECTORS UP(M, EVENT_LANES)
#define EVENT_M (EVENT_VECTORS * EVENT_LANES)
#define EVENT_CHUNK LESS(8, EVENT_VECTORS)


#define DENSE_BYTES ((int64_t)STEPS * VECTORS * BYTES)
#define EVENT_BYTES ((int64_t)K * EVENT_M)

int64_t NAME(packed_bytes)(void);
void NAME(pack)(const int8_t *w, uint8_t *packed);
void NAME(run)(int64_t first, int64_t last, const uint8_t *x, const uint8_t *packed, result *y, int64_t permille);

int64_t NAME(packed_bytes)(void)
{
    return DENSE_BYTES + EVENT_BYTES;
}

/* w [M, K] */
void NAME(pack)(const int8_t *w, uint8_t *packed)
{
    weight *dense = (weight *)(void *)packed; /* [CHUNK vectors][STEPS][...]: a block reads it from end to end */
    int8_t *event = (int8_t *)packed + DENSE_BYTES;
    memset(packed, 0, DENSE_BYTES + EVENT_BYTES);
    for (int o0 = 0; o0 < M; o0 += 16) /* in blocks, or each byte would be a cache line of its own */
        for (int k0 = 0; k0 < K; k0 += 64)
            for (int o = o0; o < LESS(M, o0 + 16); o++) {
                const int chunk = o / (CHUNK * LANES), width = LESS(CHUNK, VECTORS - chunk * CHUNK) * LANES;
                const int event_chunk = o / (EVENT_CHUNK * EVENT_LANES);
                const int event_width = LESS(EVENT_CHUNK, EVENT_VECTORS - event_chunk * EVENT_CHUNK) * EVENT_LANES;
                weight *d = dense + ((int64_t)chunk * CHUNK * LANES * STEPS + o % (CHUNK * LANES)) * GROUP;
                int8_t *e = event + (int64_t)event_chunk * EVENT_CHUNK * EVENT_LANES * K + o % (EVENT_CHUNK * EVENT_LANES);
                const int8_t *in = w + (int64_t)o * K;
                for (int k = k0; k < LESS(K, k0 + 64); k++) {
                    d[(int64_t)(k / GROUP) * width * GROUP + k % GROUP] = in[k];
                    e[(int64_t)k * event_width] = in[k];
                }
            }
}

/* Rows and vectors of outputs whose sums stay in registers. Both counts are constants, so loops unroll. */
INLINE void NAME(block)(const int rows, const int vectors, const unit *in, const int64_t stride, const weight *w,
                        const int outputs, result *y)
{
    vec sum[ROWS][CHUNK];
#pragma GCC unroll 32
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 32
        for (int v = 0; v < vectors; v++)
            sum[r][v] = vec_all(0);
    for (int j = 0; j < STEPS; j++) {
        vec part[CHUNK];
#pragma GCC unroll 32
        for (int v = 0; v < vectors; v++)
            part[v] = vec_load(w + ((int64_t)j * vectors + v) * LANES * GROUP);
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
            const vec x = vec_inputs(in + r * stride + j * GROUP);
#pragma GCC unroll 32
            for (int v = 0; v < vectors; v++)
                sum[r][v] = DOT(sum[r][v], x, part[v]);
        }
    }
#pragma GCC unroll 32
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 32
        for (int v = 0; v < vectors; v++) {
            const int count = LESS(LANES, outputs - v * LANES);
            if (count == LANES)
                STORE(y + r * M + v * LANES, sum[r][v], LANES);
            else
                STORE(y + r * M + v * LANES, sum[r][v], count);
        }
}

INLINE void NAME(chunk)(const int vectors, const int rows, const unit *in, const int64_t stride, const weight *w,
                        const int outputs, result *y)
{
    int r = 0;
    for (; r + ROWS <= rows; r += ROWS)
        NAME(block)(ROWS, vectors, in + r * stride, stride, w, outputs, y + (int64_t)r * M);
    if (ROWS > 6 && r + 6 <= rows) {
        NAME(block)(LESS(ROWS, 6), vectors, in + r * stride, stride, w, outputs, y + (int64_t)r * M);
        r += 6;
    }
    if (ROWS > 3 && r + 3 <= rows) {
        NAME(block)(LESS(ROWS, 3), vectors, in + r * stride, stride, w, outputs, y + (int64_t)r * M);
        r += 3;
    }
    for (; r < rows; r++)
        NAME(block)(1, vectors, in + r * stride, stride, w, outputs, y + (int64_t)r * M);
}

/* `copy` holds TILE rows where inputs must be widened or the last step reads past a row. */
APART void NAME(dense)(const int rows, const uint8_t *x, const weight *w, unit *copy, result *y)
{
#if IN_PLACE
    const unit *in = x;
    (void)copy;
#else
    const unit *in = copy;
    for (int r = 0; r < rows; r++)
        for (int k = 0; k < K; k++)
            copy[r * STEPS * GROUP + k] = x[(int64_t)r * K + k];
#endif
    const int64_t stride = STEPS * GROUP;
    int v = 0;
    for (; v + CHUNK <= VECTORS; v += CHUNK)
        NAME(chunk)(CHUNK, rows, in, stride, w + (int64_t)v * LANES * STEPS * GROUP, M - v * LANES, y + v * LANES);
    if (VECTORS % CHUNK)
        NAME(chunk)(VECTORS % CHUNK, rows, in, stride, w + (int64_t)v * LANES * STEPS * GROUP, M - v * LANES,
                    y + v * LANES);
}

/* A few vectors of outputs of one row; the count is a constant. */
INLINE void NAME(gather)(const int vectors, const uint8_t *x, const uint32_t *index, const int n, const int8_t *w,
                         const int outputs, result *y)
{
    WIDE sum[EVENT_CHUNK];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++)
        sum[v] = (WIDE){0};
    for (int i = 0; i < n; i++) {
        const int8_t *row = w + (int64_t)index[i] * vectors * EVENT_LANES;
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) {
            const WIDE wide = CODES(row + v * EVENT_LANES);
            sum[v] += MOST > 1 ? wide * (result)x[index[i]] : wide;
        }
    }
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) {
        const int count = LESS(EVENT_LANES, outputs - v * EVENT_LANES);
        memcpy(y + v * EVENT_LANES, &sum[v], (size_t)count * sizeof(result));
    }
}

APART void NAME(event)(const int rows, const uint8_t *x, const int8_t *w, uint32_t *index, result *y)
{
    for (int r = 0; r < rows; r++, x += K, y += M) {
        const int n = nonzero_indices(x, K, index);
        int v = 0;
        for (; v + EVENT_CHUNK <= EVENT_VECTORS; v += EVENT_CHUNK)
            NAME(gather)(EVENT_CHUNK, x, index, n, w + (int64_t)v * EVENT_LANES * K, M - v * EVENT_LANES,
                         y + v * EVENT_LANES);
        if (EVENT_VECTORS % EVENT_CHUNK)
            NAME(gather)(EVENT_VECTORS % EVENT_CHUNK, x, index, n, w + (int64_t)v * EVENT_LANES * K,
                         M - v * EVENT_LANES, y + v * EVENT_LANES);
    }
}

/* Rows first..last - 1. The event path takes rows with fewer than `permille` of their inputs nonzero; a negative one
 * stands for CROSSOVER. */
void NAME(run)(int64_t first, int64_t last, const uint8_t *x, const uint8_t *packed, result *y, int64_t permille)
{
    static _Thread_local uint32_t index[K + 16];
    static _Thread_local unit copy[IN_PLACE ? 1 : TILE * STEPS * GROUP];
    const int64_t most = permille < 0 ? CROSSOVER : permille;
    for (int64_t n = first; n < last; n += TILE) {
        const int rows = (int)LESS(TILE, last - n);
        const uint8_t *in = x + n * K;
        int64_t nonzero = 0;
        for (int r = 0; most && r < rows; r += SAMPLE)
            nonzero += nonzeros(in + (int64_t)r * K, K);
        if (most && nonzero * 1000 < most * UP(rows, SAMPLE) * K)
            NAME(event)(rows, in, (const int8_t *)packed + DENSE_BYTES, index, y + n * M);
        else
            NAME(dense)(rows, in, (const weight *)(const void *)packed, copy, y + n * M);
    }
}
