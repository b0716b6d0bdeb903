/* A convolution with real weights and the max-pool behind it, for training in full precision.
 *
 * Inputs are small integers and mostly zero (spikes), so those that are not add their rows of weights to the sums, all
 * of one pixel at once: the work of a forward pass is the number of spikes. A dense layer is a convolution of one pixel. Sums of a frame are added
 * in one order, whatever the threads. A window's first maximum wins, as in torch; where flip is -1, its first minimum.
 *
 *   x [N, H, W, CI]   weight [KH, KW, CI, CO_PADDED]   y, winner [N, OH, OW, CO]   flip [CO]
 */
#include <stdint.h>
#include <string.h>

#define SUM_H ((H + 2 * PAD_H - KH) / STRIDE_H + 1)
#define SUM_W ((W + 2 * PAD_W - KW) / STRIDE_W + 1)
#define OH (SUM_H / POOL)
#define OW (SUM_W / POOL)
#define CO_PADDED ((CO + 15) / 16 * 16)

typedef float vector __attribute__((vector_size(4 * VL), aligned(4)));

/* Add `active` rows of weights, times their inputs, to `count` vectors of sums that stay in registers. */
static inline __attribute__((always_inline)) void add_rows(const int count, const int active, const int32_t *restrict rows,
                                                           const float *restrict inputs, const float *restrict weight,
                                                           float *restrict sums)
{
    vector s[count];
#pragma GCC unroll 8
    for (int q = 0; q < count; q++)
        s[q] = *(const vector *)(sums + q * VL);
    for (int k = 0; k < active; k++) {
        const vector v = inputs[k] - (vector){0};
        const float *restrict w = weight + rows[k];
#pragma GCC unroll 8
        for (int q = 0; q < count; q++)
            s[q] += v * *(const vector *)(w + q * VL);
    }
#pragma GCC unroll 8
    for (int q = 0; q < count; q++)
        *(vector *)(sums + q * VL) = s[q];
}

void forward(int64_t first, int64_t last, const uint8_t *restrict x, const float *restrict weight,
             const int32_t *restrict flip, float *restrict y, uint8_t *restrict winner);

void forward(int64_t first, int64_t last, const uint8_t *restrict x, const float *restrict weight,
             const int32_t *restrict flip, float *restrict y, uint8_t *restrict winner)
{
    static _Thread_local float work[SUM_H * SUM_W * CO_PADDED + 16];
    static _Thread_local int32_t rows[H * W * CI], from[H * W + 1];
    static _Thread_local float inputs[H * W * CI];
    float *const sums = (float *)(((uintptr_t)work + 63) & ~(uintptr_t)63); /* thread-local memory is not aligned so far */
    for (int64_t n = first; n < last; n++) {
        const uint8_t *restrict image = x + n * H * W * CI;
        int active = 0;
        for (int p = 0; p < H * W; p++) {
            from[p] = active;
            for (int i0 = 0; i0 < CI; i0 += 8) {
                uint64_t eight = 0;
                memcpy(&eight, image + p * CI + i0, CI - i0 < 8 ? CI - i0 : 8);
                while (eight) {
                    const int i = i0 + __builtin_ctzll(eight) / 8;
                    eight &= ~((uint64_t)255 << (8 * (i - i0)));
                    rows[active] = i * CO_PADDED;
                    inputs[active++] = (float)image[p * CI + i];
                }
            }
        }
        from[H * W] = active;
        memset(sums, 0, sizeof(float) * SUM_H * SUM_W * CO_PADDED);
        for (int tap = 0; tap < KH * KW; tap++) { /* one tap at a time: its weights stay in the first cache */
            const float *restrict w = weight + tap * CI * CO_PADDED;
            for (int ty = 0; ty < SUM_H; ty++) {
                const int iy = ty * STRIDE_H + tap / KW - PAD_H;
                if (iy < 0 || iy >= H)
                    continue;
                for (int tx = 0; tx < SUM_W; tx++) {
                    const int ix = tx * STRIDE_W + tap % KW - PAD_W;
                    if (ix < 0 || ix >= W)
                        continue;
                    const int f = from[iy * W + ix], count = from[iy * W + ix + 1] - f;
                    if (!count)
                        continue;
                    float *restrict s = sums + (ty * SUM_W + tx) * CO_PADDED;
                    int o = 0;
                    for (; o + 4 * VL <= CO_PADDED; o += 4 * VL)
                        add_rows(4, count, rows + f, inputs + f, w + o, s + o);
                    for (; o < CO_PADDED; o += VL)
                        add_rows(1, count, rows + f, inputs + f, w + o, s + o);
                }
            }
        }
        for (int py = 0; py < OH; py++)
            for (int px = 0; px < OW; px++) {
                float *restrict best = y + ((n * OH + py) * OW + px) * CO;
                const float *s = sums + (py * POOL * SUM_W + px * POOL) * CO_PADDED;
                memcpy(best, s, sizeof(float) * CO);
#if POOL > 1
                uint8_t *restrict at = winner + ((n * OH + py) * OW + px) * CO;
                memset(at, 0, CO);
                for (int k = 1; k < POOL * POOL; k++) {
                    const float *other = s + (k / POOL * SUM_W + k % POOL) * CO_PADDED;
                    for (int o = 0; o < CO; o++) {
                        const int wins = (float)flip[o] * other[o] > (float)flip[o] * best[o];
                        at[o] = wins ? (uint8_t)k : at[o];
                        best[o] = wins ? other[o] : best[o];
                    }
                }
#endif
            }
    }
}
