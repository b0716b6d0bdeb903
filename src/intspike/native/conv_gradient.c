/* Gradients of a convolution followed by a max-pool, to its weights and to its input, for training.
 *
 * Only the position that won its window has a gradient, so the work is a window-th of a dense backward pass. Channels are
 * last, so one kernel row of one output channel is WIDTH = KW * CI consecutive numbers of the image: for each winner, VL
 * numbers a time, the image is added to the weight gradient, and the weights are added to the image's gradient. One side
 * stays in registers over a tile of frames; ADD_IMAGES and ADD_WEIGHTS, which are generated, name the groups that fit.
 *
 * Samples b0..b1 - 1 of T frames of B samples.
 *   x [T, B, H, W, CI]   y, gy, winner [T, B, OH, OW, CO]   weight, gweight [CO, KH, RV * VL] (rows padded with zeros)
 *   gx [T, b1 - b0, H, W, CI], or null   slope, offset [CO]: the gradient of a sum is gy + offset + slope * y; without slope it is gy
 */
#include <stdint.h>
#include <string.h>

#define HP (H + 2 * PAD_H)
#define WP (W + 2 * PAD_W)
#define OH (((HP - KH) / STRIDE_H + 1) / POOL)
#define OW (((WP - KW) / STRIDE_W + 1) / POOL)
#define AREA (OH * OW)
#define RV ((KW * CI + 15) / 16 * 16 / VL) /* rows are padded to 16, whatever the vectors */
#define ROW (KH * RV * VL)
#define IMAGE ((HP * WP * CI + 31) / 16 * 16) /* the last row may be read beyond its end */

typedef float vector __attribute__((vector_size(4 * VL), aligned(4)));

/* Behind a norm gradients sum to zero, so those of inputs with a mean far from zero (images, not spikes) nearly cancel:
 * there only SHORT of them are added up in float, and the rest in double. */
#if WIDE
#define SHORT 16
typedef double whole;
typedef double wholes __attribute__((vector_size(8 * VL), aligned(8)));
#else
typedef float whole;
#endif

/* Bytes that will be read soon. */
static inline void fetch(const void *at, int64_t bytes)
{
    for (int64_t k = 0; k < bytes; k += 64)
        __builtin_prefetch((const char *)at + k);
}

/* Weight gradient: `count` vectors from the `from`-th, constants where it is inlined, so that sums are registers. */
static inline __attribute__((always_inline)) void add_image(const int from, const int count, const int entries,
                                                            const float *restrict g, const int32_t *restrict at,
                                                            const float *restrict image, whole *restrict gweight)
{
    vector sum[count];
#if WIDE
    for (int e0 = 0; e0 < entries; e0 += SHORT) {
        const int e1 = entries - e0 < SHORT ? entries : e0 + SHORT;
#pragma GCC unroll 32
        for (int q = 0; q < count; q++)
            sum[q] = (vector){0};
#else
    {
        const int e0 = 0, e1 = entries;
#pragma GCC unroll 32
        for (int q = 0; q < count; q++)
            sum[q] = *(const vector *)(gweight + (from + q) * VL);
#endif
        for (int e = e0; e < e1; e++) {
            const vector each = g[e * CO] - (vector){0};
            const float *restrict in = image + at[e * CO];
#pragma GCC unroll 32
            for (int q = 0; q < count; q++)
                sum[q] += each * *(const vector *)(in + (from + q) / RV * WP * CI + (from + q) % RV * VL);
        }
#pragma GCC unroll 32
        for (int q = 0; q < count; q++)
#if WIDE
            *(wholes *)(gweight + (from + q) * VL) += __builtin_convertvector(sum[q], wholes);
#else
            *(vector *)(gweight + (from + q) * VL) = sum[q];
#endif
    }
}

/* Gradient of the image: here the weights are registers. */
static inline __attribute__((always_inline)) void add_weight(const int from, const int count, const int entries,
                                                             const float *restrict g, const int32_t *restrict at,
                                                             float *restrict gimage, const float *restrict weight)
{
    vector w[count];
#pragma GCC unroll 32
    for (int q = 0; q < count; q++)
        w[q] = *(const vector *)(weight + (from + q) * VL);
    for (int e = 0; e < entries; e++) {
        const vector each = g[e * CO] - (vector){0};
        float *restrict out = gimage + at[e * CO];
#pragma GCC unroll 32
        for (int q = 0; q < count; q++)
            *(vector *)(out + (from + q) / RV * WP * CI + (from + q) % RV * VL) += each * w[q];
    }
}

void backward(int64_t b0, int64_t b1, int64_t B, int64_t T, const uint8_t *restrict x, const Y *restrict y,
              const float *restrict gy, const whole *restrict slope, const whole *restrict offset,
              const uint8_t *restrict winner, const float *restrict weight, float *restrict gx, whole *restrict gweight);

void backward(int64_t b0, int64_t b1, int64_t B, int64_t T, const uint8_t *restrict x, const Y *restrict y,
              const float *restrict gy, const whole *restrict slope, const whole *restrict offset,
              const uint8_t *restrict winner, const float *restrict weight, float *restrict gx, whole *restrict gweight)
{
    static _Thread_local float work[2 * FRAMES * IMAGE + 16];
    static _Thread_local float g[FRAMES * AREA * CO];
    static _Thread_local int32_t at[FRAMES * AREA * CO]; /* of a window's winner in the tile of images */
    int32_t places[AREA][POOL * POOL]; /* of a window's elements in an image */
    float *const image = (float *)(((uintptr_t)work + 63) & ~(uintptr_t)63); /* thread-local memory is not aligned so far */
    float *const gimage = image + FRAMES * IMAGE;
    const int64_t samples = b1 - b0, total = T * samples;
    for (int p = 0; p < AREA; p++)
        for (int k = 0; k < POOL * POOL; k++)
            places[p][k] = ((p / OW * POOL + k / POOL) * STRIDE_H * WP + (p % OW * POOL + k % POOL) * STRIDE_W) * CI;
    memset(image, 0, sizeof(float) * FRAMES * IMAGE); /* the padding stays zero */
    for (int64_t n0 = 0; n0 < total; n0 += FRAMES) {
        const int frames = total - n0 < FRAMES ? (int)(total - n0) : FRAMES;
        for (int f = 0; f < frames; f++) {
            const int64_t n = (n0 + f) / samples * B + b0 + (n0 + f) % samples, next = n + FRAMES;
            if (next < T * B) {
                fetch(x + next * H * W * CI, H * W * CI);
                fetch(gy + next * AREA * CO, AREA * CO * sizeof(float));
                fetch(y + next * AREA * CO, AREA * CO * sizeof(Y));
                if (POOL > 1)
                    fetch(winner + next * AREA * CO, AREA * CO);
            }
            for (int r = 0; r < H; r++)
                for (int j = 0; j < W * CI; j++)
                    image[f * IMAGE + ((r + PAD_H) * WP + PAD_W) * CI + j] = (float)x[(n * H + r) * W * CI + j];
            for (int p = 0; p < AREA; p++) {
                const int64_t from = (n * AREA + p) * CO, to = (f * AREA + p) * CO;
                if (slope)
                    for (int o = 0; o < CO; o++)
                        g[to + o] = (float)(gy[from + o] + offset[o] + slope[o] * (whole)y[from + o]);
                else
                    memcpy(g + to, gy + from, sizeof(float) * CO);
                for (int o = 0; o < CO; o++)
                    at[to + o] = f * IMAGE + places[p][POOL > 1 ? winner[from + o] : 0];
            }
        }
        for (int o = 0; o < CO; o++) {
            whole *restrict gw = gweight + o * ROW;
            ADD_IMAGES
        }
        if (!gx)
            continue;
        memset(gimage, 0, sizeof(float) * FRAMES * IMAGE);
        for (int o = 0; o < CO; o++) {
            const float *restrict w = weight + o * ROW;
            ADD_WEIGHTS
        }
        for (int f = 0; f < frames; f++)
            for (int r = 0; r < H; r++)
                memcpy(gx + ((n0 + f) * H + r) * W * CI, gimage + f * IMAGE + ((r + PAD_H) * WP + PAD_W) * CI,
                       sizeof(float) * W * CI);
    }
}
