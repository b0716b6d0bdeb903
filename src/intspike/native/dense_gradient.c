/* Gradients of a dense synapse, to its weights and to its input, for training.
 *
 * Spikes are few, so the weight gradient is a sum over them: of a block of frames they are sorted by input, and each row
 * of the gradient stays in registers, CHUNK outputs at a time, while the outputs' gradients of its spikes are added. The
 * input's gradient is a product of matrices, blocked so that sums stay in registers.
 *
 * Samples b0..b1 - 1 of T frames of B samples.
 *   x [T, B, K]   y, gy [T, B, M]   weight [M, K_PADDED]   gweight [K, M_PADDED]   gx [T, b1 - b0, K], or null
 *   slope, offset [M]: the gradient of a sum is gy + offset + slope * y; without slope it is gy
 */
#include <stdint.h>
#include <string.h>

#define CHUNK (M < 64 ? (M + 15) / 16 * 16 : 64)
#define CHUNKS ((M + CHUNK - 1) / CHUNK)
#define M_PADDED (CHUNKS * CHUNK)
#define K_PADDED ((K + 15) / 16 * 16 + 16) /* rows of a power of two would share the places of a cache */
#define BLOCK 128 /* frames */
#define FRAMES 4
#define COLUMNS 4 /* vectors of inputs at a time: FRAMES * COLUMNS sums in registers */

typedef float vector __attribute__((vector_size(4 * VL), aligned(4)));

typedef struct {
    int32_t k; /* input */
    uint8_t frame, value;
} event;

/* gx of FRAMES frames (padded rows) for `count` vectors of inputs; g [CHUNKS, BLOCK, CHUNK] from the first frame on. */
static inline __attribute__((always_inline)) void columns(const int count, const float *restrict g,
                                                          const float *restrict weight, float *restrict gx)
{
    vector sum[FRAMES][count];
#pragma GCC unroll 4
    for (int f = 0; f < FRAMES; f++)
#pragma GCC unroll 4
        for (int q = 0; q < count; q++)
            sum[f][q] = (vector){0};
    for (int o = 0; o < M; o++) {
#pragma GCC unroll 4
        for (int q = 0; q < count; q++) {
            const vector w = *(const vector *)(weight + (int64_t)o * K_PADDED + q * VL);
#pragma GCC unroll 4
            for (int f = 0; f < FRAMES; f++)
                sum[f][q] += g[(o / CHUNK * BLOCK + f) * CHUNK + o % CHUNK] * w;
        }
    }
#pragma GCC unroll 4
    for (int f = 0; f < FRAMES; f++)
#pragma GCC unroll 4
        for (int q = 0; q < count; q++)
            *(vector *)(gx + f * K_PADDED + q * VL) = sum[f][q];
}

void backward(int64_t b0, int64_t b1, int64_t B, int64_t T, const uint8_t *restrict x, const Y *restrict y,
              const float *restrict gy, const float *restrict slope, const float *restrict offset,
              const uint8_t *winner, const float *restrict weight, float *restrict gx, float *restrict gweight);

void backward(int64_t b0, int64_t b1, int64_t B, int64_t T, const uint8_t *restrict x, const Y *restrict y,
              const float *restrict gy, const float *restrict slope, const float *restrict offset,
              const uint8_t *winner, const float *restrict weight, float *restrict gx, float *restrict gweight)
{
    static _Thread_local float work[BLOCK * M_PADDED + FRAMES * K_PADDED + 16];
    static _Thread_local event events[BLOCK * K], sorted[BLOCK * K];
    static _Thread_local int32_t from[K + 1];
    float *const g = (float *)(((uintptr_t)work + 63) & ~(uintptr_t)63); /* thread-local memory is not aligned so far */
    float *const rows = g + BLOCK * M_PADDED;
    const int64_t samples = b1 - b0, total = T * samples;
    (void)winner;
    memset(g, 0, sizeof(float) * BLOCK * M_PADDED);
    for (int64_t n0 = 0; n0 < total; n0 += BLOCK) {
        const int frames = total - n0 < BLOCK ? (int)(total - n0) : BLOCK;
        int count = 0;
        memset(from, 0, sizeof from);
        for (int f = 0; f < frames; f++) {
            const int64_t n = (n0 + f) / samples * B + b0 + (n0 + f) % samples;
            for (int o0 = 0; o0 < M; o0 += CHUNK) {
                const int outputs = M - o0 < CHUNK ? M - o0 : CHUNK;
                const float *restrict in = gy + n * M + o0;
                float *restrict row = g + (o0 / CHUNK * BLOCK + f) * CHUNK;
                if (slope)
                    for (int o = 0; o < outputs; o++)
                        row[o] = in[o] + offset[o0 + o] + slope[o0 + o] * (float)y[n * M + o0 + o];
                else
                    memcpy(row, in, sizeof(float) * outputs);
            }
            for (int k0 = 0; k0 < K; k0 += 8) {
                uint64_t eight = 0;
                memcpy(&eight, x + n * K + k0, K - k0 < 8 ? K - k0 : 8);
                while (eight) {
                    const int k = __builtin_ctzll(eight) / 8;
                    events[count].k = k0 + k;
                    events[count].frame = (uint8_t)f;
                    events[count++].value = (uint8_t)(eight >> (8 * k));
                    from[k0 + k + 1]++;
                    eight &= ~((uint64_t)255 << (8 * k));
                }
            }
        }
        for (int k = 0; k < K; k++)
            from[k + 1] += from[k];
        for (int e = count - 1; e >= 0; e--) /* from[k + 1] moves down to the first event of k */
            sorted[--from[events[e].k + 1]] = events[e];
        for (int c = 0; c < CHUNKS; c++)
            for (int e = 0; e < count;) {
                const int k = sorted[e].k;
                float *restrict to = gweight + (int64_t)k * M_PADDED + c * CHUNK;
                vector sum[CHUNK / VL];
#pragma GCC unroll 16
                for (int q = 0; q < CHUNK / VL; q++)
                    sum[q] = *(const vector *)(to + q * VL);
                for (; e < count && sorted[e].k == k; e++) {
                    const vector v = (float)sorted[e].value - (vector){0};
                    const float *restrict row = g + (c * BLOCK + sorted[e].frame) * CHUNK;
#pragma GCC unroll 16
                    for (int q = 0; q < CHUNK / VL; q++)
                        sum[q] += v * *(const vector *)(row + q * VL);
                }
#pragma GCC unroll 16
                for (int q = 0; q < CHUNK / VL; q++)
                    *(vector *)(to + q * VL) = sum[q];
            }
        if (!gx)
            continue;
        for (int f0 = 0; f0 < frames; f0 += FRAMES) {
            for (int k = 0; k < K_PADDED / VL; k += COLUMNS) {
                const float *four = g + f0 * CHUNK;
                switch (K_PADDED / VL - k) {
                case 1: columns(1, four, weight + k * VL, rows + k * VL); break;
                case 2: columns(2, four, weight + k * VL, rows + k * VL); break;
                case 3: columns(3, four, weight + k * VL, rows + k * VL); break;
                default: columns(COLUMNS, four, weight + k * VL, rows + k * VL);
                }
            }
            for (int f = f0; f < frames && f < f0 + FRAMES; f++)
                memcpy(gx + (n0 + f) * K, rows + (f - f0) * K_PADDED, sizeof(float) * K);
        }
    }
}
