/* A convolution of spikes followed by a max-pool, forward and backward, for training.
 *
 * Sizes are macros, so that inner loops have constant length and vectorize. Zero inputs are skipped: the work of
 * the forward pass is the number of spikes. In the backward pass only the position that won its window has a
 * gradient, so the work is a window-th of a dense one. A window's first maximum wins, as in torch.
 *
 *   x [N, CI, H, W]   weight [CO, CI, KH, KW]   y, winner [N, CO, PH, PW]   flip [CO]: -1 takes minima, else 1
 */
#include <stdint.h>
#include <string.h>

#define HO (H - KH + 1)
#define WO (W - KW + 1)
#define PH (HO / POOL)
#define PW (WO / POOL)
#define ROW (KW * CI)

void forward(int64_t first, int64_t last, const float *restrict x, const float *restrict weight,
             const float *restrict flip, float *restrict y, uint8_t *restrict winner);
void backward(int64_t first, int64_t last, const float *restrict x, const float *restrict weight,
              const float *restrict gy, const uint8_t *restrict winner, float *restrict gx, float *restrict gweight);

/* weight here: [CI, KH, KW, CO] */
void forward(int64_t first, int64_t last, const float *restrict x, const float *restrict weight,
             const float *restrict flip, float *restrict y, uint8_t *restrict winner)
{
    static _Thread_local float sums[HO * WO * CO];
    for (int64_t n = first; n < last; n++) {
        const float *image = x + n * CI * H * W;
        memset(sums, 0, sizeof sums);
        for (int i = 0; i < CI; i++)
            for (int iy = 0; iy < H; iy++)
                for (int ix = 0; ix < W; ix++) {
                    const float v = image[(i * H + iy) * W + ix];
                    if (v == 0.0f)
                        continue;
                    const int a0 = iy - HO + 1 > 0 ? iy - HO + 1 : 0, a1 = iy < KH - 1 ? iy : KH - 1;
                    const int b0 = ix - WO + 1 > 0 ? ix - WO + 1 : 0, b1 = ix < KW - 1 ? ix : KW - 1;
                    for (int a = a0; a <= a1; a++)
                        for (int b = b0; b <= b1; b++) {
                            const float *restrict w = weight + ((i * KH + a) * KW + b) * CO;
                            float *restrict s = sums + ((iy - a) * WO + ix - b) * CO;
                            for (int o = 0; o < CO; o++)
                                s[o] += v * w[o];
                        }
                }
        for (int py = 0; py < PH; py++)
            for (int px = 0; px < PW; px++) {
                float best[CO];
                uint8_t at[CO];
                const float *s = sums + (py * POOL * WO + px * POOL) * CO;
                for (int o = 0; o < CO; o++) {
                    best[o] = s[o] * flip[o];
                    at[o] = 0;
                }
                for (int k = 1; k < POOL * POOL; k++) {
                    const float *other = s + (k / POOL * WO + k % POOL) * CO;
                    for (int o = 0; o < CO; o++) {
                        const float v = other[o] * flip[o];
                        at[o] = v > best[o] ? (uint8_t)k : at[o];
                        best[o] = v > best[o] ? v : best[o];
                    }
                }
                for (int o = 0; o < CO; o++) {
                    const int64_t to = ((n * CO + o) * PH + py) * PW + px;
                    y[to] = best[o] * flip[o];
                    winner[to] = at[o];
                }
            }
    }
}

/* weight and gweight here: [CO, KH, KW, CI]; gx may be null */
void backward(int64_t first, int64_t last, const float *restrict x, const float *restrict weight,
              const float *restrict gy, const uint8_t *restrict winner, float *restrict gx, float *restrict gweight)
{
    static _Thread_local float image[H * W * CI], gimage[H * W * CI];
    for (int64_t n = first; n < last; n++) {
        for (int i = 0; i < CI; i++)
            for (int p = 0; p < H * W; p++)
                image[p * CI + i] = x[(n * CI + i) * H * W + p];
        memset(gimage, 0, sizeof gimage);
        for (int o = 0; o < CO; o++) {
            float *restrict gw = gweight + o * KH * ROW;
            const float *restrict w = weight + o * KH * ROW;
            for (int p = 0; p < PH * PW; p++) {
                const float g = gy[(n * CO + o) * PH * PW + p];
                if (g == 0.0f)
                    continue;
                const int k = winner[(n * CO + o) * PH * PW + p];
                const int oy = p / PW * POOL + k / POOL, ox = p % PW * POOL + k % POOL;
                for (int a = 0; a < KH; a++) {
                    const float *restrict in = image + ((oy + a) * W + ox) * CI;
                    float *restrict gin = gimage + ((oy + a) * W + ox) * CI;
                    for (int j = 0; j < ROW; j++)
                        gw[a * ROW + j] += g * in[j];
                    if (gx)
                        for (int j = 0; j < ROW; j++)
                            gin[j] += g * w[a * ROW + j];
                }
            }
        }
        if (gx)
            for (int i = 0; i < CI; i++)
                for (int p = 0; p < H * W; p++)
                    gx[(n * CI + i) * H * W + p] = gimage[p * CI + i];
    }
}
