/* A convolution with real weights and the max-pool behind it, for training in full precision.
 *
 * Inputs are small integers and mostly zero (spikes), so each that is not adds its rows of weights to the sums: the work
 * of a forward pass is the number of spikes. A dense layer is a convolution of one position. Sums of a frame are added
 * in one order, whatever the threads. A window's first maximum wins, as in torch; where flip is -1, its first minimum.
 *
 *   x [N, H, W, CI]   weight [CI, KH, KW, CO]   y, winner [N, OH, OW, CO]   flip [CO]
 */
#include <stdint.h>
#include <string.h>

#define SUM_H ((H + 2 * PAD_H - KH) / STRIDE_H + 1)
#define SUM_W ((W + 2 * PAD_W - KW) / STRIDE_W + 1)
#define OH (SUM_H / POOL)
#define OW (SUM_W / POOL)

void forward(int64_t first, int64_t last, const uint8_t *restrict x, const float *restrict weight,
             const int32_t *restrict flip, float *restrict y, uint8_t *restrict winner);

void forward(int64_t first, int64_t last, const uint8_t *restrict x, const float *restrict weight,
             const int32_t *restrict flip, float *restrict y, uint8_t *restrict winner)
{
    static _Thread_local float sums[SUM_H * SUM_W * CO];
    for (int64_t n = first; n < last; n++) {
        const uint8_t *image = x + n * H * W * CI;
        memset(sums, 0, sizeof sums);
        for (int iy = 0; iy < H; iy++)
            for (int ix = 0; ix < W; ix++)
                for (int i = 0; i < CI; i++) {
                    const int code = image[(iy * W + ix) * CI + i];
                    if (!code)
                        continue;
                    const float v = (float)code;
                    for (int a = 0; a < KH; a++) {
                        const int ty = iy + PAD_H - a;
                        if (ty < 0 || ty % STRIDE_H || ty / STRIDE_H >= SUM_H)
                            continue;
                        for (int b = 0; b < KW; b++) {
                            const int tx = ix + PAD_W - b;
                            if (tx < 0 || tx % STRIDE_W || tx / STRIDE_W >= SUM_W)
                                continue;
                            const float *restrict w = weight + ((i * KH + a) * KW + b) * CO;
                            float *restrict s = sums + (ty / STRIDE_H * SUM_W + tx / STRIDE_W) * CO;
                            for (int o = 0; o < CO; o++)
                                s[o] += v * w[o];
                        }
                    }
                }
        if (POOL == 1) {
            memcpy(y + n * OH * OW * CO, sums, sizeof sums);
            continue;
        }
        for (int py = 0; py < OH; py++)
            for (int px = 0; px < OW; px++) {
                float *restrict best = y + ((n * OH + py) * OW + px) * CO;
                uint8_t *restrict at = winner + ((n * OH + py) * OW + px) * CO;
                const float *s = sums + (py * POOL * SUM_W + px * POOL) * CO;
                for (int o = 0; o < CO; o++) {
                    best[o] = s[o];
                    at[o] = 0;
                }
                for (int k = 1; k < POOL * POOL; k++) {
                    const float *other = s + (k / POOL * SUM_W + k % POOL) * CO;
                    for (int o = 0; o < CO; o++) {
                        const int wins = (float)flip[o] * other[o] > (float)flip[o] * best[o];
                        at[o] = wins ? (uint8_t)k : at[o];
                        best[o] = wins ? other[o] : best[o];
                    }
                }
            }
    }
}
