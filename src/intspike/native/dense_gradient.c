/* Gradients of a dense synapse, to its weights and to its input, for training.
 *
 * An input that is not zero adds the row of the outputs' gradients to its row of the weight gradient, so the work is the
 * number of spikes; the input's gradient is a product of matrices, blocked so that sums stay in registers.
 *
 * Samples b0..b1 - 1 of T frames of B samples.
 *   x [T, B, K]   y, gy [T, B, M]   weight [M, K_PADDED]   gweight [K, M_PADDED]   gx [T, b1 - b0, K], or null
 *   slope, offset [M]: the gradient of a sum is gy + offset + slope * y
 */
#include <stdint.h>
#include <string.h>

#define M_PADDED ((M + 15) / 16 * 16)
#define K_PADDED ((K + 15) / 16 * 16)
#define FRAMES 4
#define COLUMNS 4 /* vectors of inputs at a time: FRAMES * COLUMNS sums in registers */

typedef float vector __attribute__((vector_size(4 * VL), aligned(4)));

/* gx of FRAMES frames (padded rows) for `count` vectors of inputs. */
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
                sum[f][q] += g[f * M_PADDED + o] * w;
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
    static _Thread_local float work[FRAMES * (M_PADDED + K_PADDED) + 16];
    float *const g = (float *)(((uintptr_t)work + 63) & ~(uintptr_t)63); /* thread-local memory is not aligned so far */
    float *const rows = g + FRAMES * M_PADDED;
    const int64_t samples = b1 - b0, total = T * samples;
    (void)winner;
    memset(g, 0, sizeof(float) * FRAMES * M_PADDED);
    for (int64_t n0 = 0; n0 < total; n0 += FRAMES) {
        const int frames = total - n0 < FRAMES ? (int)(total - n0) : FRAMES;
        for (int f = 0; f < frames; f++) {
            const int64_t n = (n0 + f) / samples * B + b0 + (n0 + f) % samples;
            float *restrict row = g + f * M_PADDED;
            for (int o = 0; o < M; o++)
                row[o] = gy[n * M + o] + offset[o] + slope[o] * (float)y[n * M + o];
            const uint8_t *restrict in = x + n * K;
            for (int k0 = 0; k0 < K; k0 += 8) {
                uint64_t eight = 0;
                memcpy(&eight, in + k0, K - k0 < 8 ? K - k0 : 8);
                while (eight) {
                    const int k = k0 + __builtin_ctzll(eight) / 8;
                    eight &= ~((uint64_t)255 << (8 * (k - k0)));
                    const float v = (float)in[k];
                    float *restrict to = gweight + (int64_t)k * M_PADDED;
                    for (int o = 0; o < M_PADDED; o++)
                        to[o] += v * row[o];
                }
            }
        }
        if (!gx)
            continue;
        for (int k = 0; k < K_PADDED / VL; k += COLUMNS)
            switch (K_PADDED / VL - k) {
            case 1: columns(1, g, weight + k * VL, rows + k * VL); break;
            case 2: columns(2, g, weight + k * VL, rows + k * VL); break;
            case 3: columns(3, g, weight + k * VL, rows + k * VL); break;
            default: columns(COLUMNS, g, weight + k * VL, rows + k * VL);
            }
        for (int f = 0; f < frames; f++)
            memcpy(gx + (n0 + f) * K, rows + f * K_PADDED, sizeof(float) * K);
    }
}
