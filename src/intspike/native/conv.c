/* A convolution of uint8 inputs with int8 weights, its sums exact, with the max-pool behind it.
 *
 *   x [N, H, W, CI]   y, winner [N, OUT_H, OUT_W, CO]   flip [CO]: -1 takes minima, else 1 (may be null)
 *   y = flip * max over a window of flip * sum; winner is the window's first maximum (may be null)
 *
 * Sizes are macros. The dense path keeps all sums of a pool window in registers, so they are never written: rows of
 * KW * CI inputs, which lie side by side, are multiplied with weights packed [row][GROUP inputs][CO][GROUP]. The event
 * path adds the weights of nonzero inputs only. The frame's share of nonzero inputs chooses between them.
 */
#define ROW (KW * CI)
#define STEPS UP(ROW, GROUP)
#define PADDED_H (H + 2 * PAD_H)
#define PADDED_W (W + 2 * PAD_W)
#define SUM_H ((PADDED_H - KH) / STRIDE_H + 1)
#define SUM_W ((PADDED_W - KW) / STRIDE_W + 1)
#define OUT_H (SUM_H / POOL_H)
#define OUT_W (SUM_W / POOL_W)
#define WINDOW (POOL_H * POOL_W)

#define VECTORS UP(CO, LANES) /* of one output position */
#define CHUNK MORE(1, LESS(REGISTERS / WINDOW, VECTORS % 4 && VECTORS % 3 == 0 ? 3 : LESS(4, VECTORS)))
#define MOST_WINDOWS LESS(OUT_W, MORE(1, REGISTERS / (WINDOW * CHUNK)))
#define WINDOWS UP(OUT_W, UP(OUT_W, MOST_WINDOWS)) /* in registers at a time; parts of a row of nearly equal length */

/* Event path: lanes as wide as the results. */
#define EVENT_LANES (BYTES / (int)sizeof(result))
#define EVENT_VECTORS UP(CO, EVENT_LANES)
#define EVENT_CO (EVENT_VECTORS * EVENT_LANES)

/* Where events become slower than the dense path, measured: permille of nonzero inputs. */
#define CROSSOVER (GROUP == 4 ? 100 : 200)

#if BITS == 16
#define RESULT int16_t
#define STORE vec_store_16
#else
#define RESULT int32_t
#define STORE vec_store_32
#endif
#define result RESULT

typedef result NAME(wide) __attribute__((vector_size(BYTES)));
typedef int8_t NAME(codes) __attribute__((vector_size(BYTES / sizeof(result))));

#define DENSE_BYTES ((int64_t)KH * STEPS * VECTORS * BYTES)
#define EVENT_BYTES ((int64_t)KH * KW * CI * EVENT_CO)

int64_t NAME(packed_bytes)(void);
void NAME(pack)(const int8_t *w, uint8_t *packed);
void NAME(run)(int64_t first, int64_t last, const uint8_t *x, const uint8_t *packed, const int32_t *flip, result *y,
               uint8_t *winner, int64_t permille);

int64_t NAME(packed_bytes)(void)
{
    return DENSE_BYTES + EVENT_BYTES;
}

/* w [CO, CI, KH, KW] */
void NAME(pack)(const int8_t *w, uint8_t *packed)
{
    weight *dense = (weight *)(void *)packed;
    int8_t *event = (int8_t *)packed + DENSE_BYTES;
    memset(packed, 0, DENSE_BYTES + EVENT_BYTES);
    for (int o = 0; o < CO; o++)
        for (int i = 0; i < CI; i++)
            for (int a = 0; a < KH; a++)
                for (int b = 0; b < KW; b++) {
                    const int8_t v = w[((o * CI + i) * KH + a) * KW + b];
                    const int at = b * CI + i;
                    dense[((a * STEPS + at / GROUP) * VECTORS * LANES + o) * GROUP + at % GROUP] = v;
                    event[((a * KW + b) * CI + i) * EVENT_CO + o] = v;
                }
}

/* Windows and vectors of channels whose sums stay in registers. All counts are constants, so loops unroll. */
INLINE void NAME(block)(const int windows, const int vectors, const unit *in, const weight *w, const int32_t *sign,
                        const int channels, result *y, uint8_t *winner)
{
    vec sum[WINDOWS][WINDOW][CHUNK];
#pragma GCC unroll 32
    for (int n = 0; n < windows; n++)
#pragma GCC unroll 32
        for (int k = 0; k < WINDOW; k++)
#pragma GCC unroll 32
            for (int v = 0; v < vectors; v++)
                sum[n][k][v] = vec_all(0);
    for (int a = 0; a < KH; a++)
        for (int j = 0; j < STEPS; j++) {
            const weight *row = w + (int64_t)(a * STEPS + j) * VECTORS * LANES * GROUP;
            const unit *at = in + a * PADDED_W * CI + j * GROUP;
            vec part[CHUNK];
#pragma GCC unroll 32
            for (int v = 0; v < vectors; v++)
                part[v] = vec_load(row + v * LANES * GROUP);
#pragma GCC unroll 32
            for (int n = 0; n < windows; n++)
#pragma GCC unroll 32
                for (int k = 0; k < WINDOW; k++) {
                    const vec x = vec_inputs(at + (k / POOL_W * STRIDE_H * PADDED_W +
                                                   (n * POOL_W + k % POOL_W) * STRIDE_W) * CI);
#pragma GCC unroll 32
                    for (int v = 0; v < vectors; v++)
                        sum[n][k][v] = DOT(sum[n][k][v], x, part[v]);
                }
        }
#pragma GCC unroll 32
    for (int n = 0; n < windows; n++)
#pragma GCC unroll 32
        for (int v = 0; v < vectors; v++) {
            const int count = LESS(LANES, channels - v * LANES), to = n * CO + v * LANES;
            const vec s = vec_load(sign + v * LANES);
            vec best = (sum[n][0][v] ^ s) - s, at = vec_all(0);
#pragma GCC unroll 32
            for (int k = 1; k < WINDOW; k++) {
                const vec other = (sum[n][k][v] ^ s) - s, larger = other > best;
                at = (vec_all(k) & larger) | (at & ~larger);
                best = (other & larger) | (best & ~larger);
            }
            best = (best ^ s) - s;
            if (count == LANES) {
                STORE(y + to, best, LANES);
                if (winner)
                    vec_store_8(winner + to, at, LANES);
            } else {
                STORE(y + to, best, count);
                if (winner)
                    vec_store_8(winner + to, at, count);
            }
        }
}

/* A row of the output, a few channels. */
INLINE void NAME(row)(const int vectors, const unit *in, const weight *w, const int32_t *sign, const int channels,
                      result *y, uint8_t *winner)
{
    int n = 0;
    for (; n + WINDOWS <= OUT_W; n += WINDOWS)
        NAME(block)(WINDOWS, vectors, in + n * POOL_W * STRIDE_W * CI, w, sign, channels, y + n * CO,
                    winner ? winner + n * CO : 0);
    if (OUT_W % WINDOWS)
        NAME(block)(OUT_W % WINDOWS, vectors, in + n * POOL_W * STRIDE_W * CI, w, sign, channels, y + n * CO,
                    winner ? winner + n * CO : 0);
}

static void NAME(dense)(const uint8_t *x, const weight *w, const int32_t *sign, result *y, uint8_t *winner)
{
    static _Thread_local unit frame[PADDED_H * PADDED_W * CI + GROUP]; /* a last step may read past the last row */
    if (PAD_H || PAD_W)
        memset(frame, 0, sizeof frame);
    for (int i = 0; i < H; i++)
        for (int j = 0; j < W * CI; j++)
            frame[((i + PAD_H) * PADDED_W + PAD_W) * CI + j] = x[i * W * CI + j];
    int v = 0;
    for (; v + CHUNK <= VECTORS; v += CHUNK)
        for (int p = 0; p < OUT_H; p++)
            NAME(row)(CHUNK, frame + p * POOL_H * STRIDE_H * PADDED_W * CI, w + v * LANES * GROUP, sign + v * LANES,
                      CO - v * LANES, y + p * OUT_W * CO + v * LANES, winner ? winner + p * OUT_W * CO + v * LANES : 0);
    if (VECTORS % CHUNK)
        for (int p = 0; p < OUT_H; p++)
            NAME(row)(VECTORS % CHUNK, frame + p * POOL_H * STRIDE_H * PADDED_W * CI, w + v * LANES * GROUP,
                      sign + v * LANES, CO - v * LANES, y + p * OUT_W * CO + v * LANES,
                      winner ? winner + p * OUT_W * CO + v * LANES : 0);
}

/* Add the weights of `inputs` channels of one pixel (constant: 1 or 2) to every sum that the pixel is part of. */
INLINE void NAME(scatter)(const int inputs, const int row, const int column, const int *channel, const int *value,
                          const int8_t *w, result *sums)
{
    for (int a = 0; a < KH; a++) {
        const int down = row + PAD_H - a;
        if (down < 0 || down % STRIDE_H || down / STRIDE_H >= SUM_H)
            continue;
        for (int b = 0; b < KW; b++) {
            const int right = column + PAD_W - b;
            if (right < 0 || right % STRIDE_W || right / STRIDE_W >= SUM_W)
                continue;
            result *to = sums + (down / STRIDE_H * SUM_W + right / STRIDE_W) * EVENT_CO;
            const int8_t *tap = w + (int64_t)(a * KW + b) * CI * EVENT_CO;
#pragma GCC unroll 8
            for (int v = 0; v < EVENT_VECTORS; v++) {
                NAME(wide) sum;
                memcpy(&sum, to + v * EVENT_LANES, sizeof sum);
#pragma GCC unroll 2
                for (int i = 0; i < inputs; i++) {
                    NAME(codes) c;
                    memcpy(&c, tap + (int64_t)channel[i] * EVENT_CO + v * EVENT_LANES, sizeof c);
                    const NAME(wide) wide = __builtin_convertvector(c, NAME(wide));
                    sum += MOST > 1 ? wide * (result)value[i] : wide;
                }
                memcpy(to + v * EVENT_LANES, &sum, sizeof sum);
            }
        }
    }
}

static void NAME(event)(const uint8_t *x, const int8_t *w, const int32_t *sign, result *y, uint8_t *winner)
{
    static _Thread_local result sums[SUM_H * SUM_W * EVENT_CO];
    static _Thread_local uint32_t index[H * W * CI + 8];
    memset(sums, 0, sizeof sums);
    const int n = nonzero_indices(x, H * W * CI, index);
    for (int i = 0; i < n;) {
        const int pixel = (int)index[i] / CI, row = pixel / W, column = pixel % W;
        const int channel[2] = {(int)index[i] - pixel * CI, i + 1 < n ? (int)index[i + 1] - pixel * CI : CI};
        const int value[2] = {x[index[i]], channel[1] < CI ? x[index[i + 1]] : 0};
        if (channel[1] < CI) {
            NAME(scatter)(2, row, column, channel, value, w, sums);
            i += 2;
        } else {
            NAME(scatter)(1, row, column, channel, value, w, sums);
            i++;
        }
    }
    for (int p = 0; p < OUT_H * OUT_W; p++) {
        const result *corner = sums + (p / OUT_W * POOL_H * SUM_W + p % OUT_W * POOL_W) * EVENT_CO;
        for (int o = 0; o < CO; o++) {
            const int32_t s = sign[o];
            int32_t best = (corner[o] ^ s) - s, at = 0;
            for (int k = 1; k < WINDOW; k++) {
                const int32_t other = (corner[(k / POOL_W * SUM_W + k % POOL_W) * EVENT_CO + o] ^ s) - s;
                at = other > best ? k : at;
                best = other > best ? other : best;
            }
            y[p * CO + o] = (result)((best ^ s) - s);
            if (winner)
                winner[p * CO + o] = (uint8_t)at;
        }
    }
}

/* Frames first..last - 1. The event path takes frames with fewer than `permille` of their inputs nonzero; a negative
 * one stands for CROSSOVER. */
void NAME(run)(int64_t first, int64_t last, const uint8_t *x, const uint8_t *packed, const int32_t *flip, result *y,
               uint8_t *winner, int64_t permille)
{
    int32_t sign[VECTORS * LANES] = {0};
    const int64_t most = (permille < 0 ? CROSSOVER : permille) * (H * W * CI);
    for (int o = 0; o < CO && flip; o++)
        sign[o] = flip[o] < 0 ? -1 : 0;
    for (int64_t n = first; n < last; n++) {
        const uint8_t *frame = x + n * (H * W * CI);
        result *to = y + n * (OUT_H * OUT_W * CO);
        uint8_t *won = winner ? winner + n * (OUT_H * OUT_W * CO) : 0;
        if (nonzeros(frame, H * W * CI) * 1000 < most)
            NAME(event)(frame, (const int8_t *)packed + DENSE_BYTES, sign, to, won);
        else
            NAME(dense)(frame, (const weight *)(const void *)packed, sign, to, won);
    }
}
