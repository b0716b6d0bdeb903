/* A convolution of uint8 inputs with int8 weights, its sums exact, with the max-pool behind it.
 *
 *   x [N, H, W, CI]   y, winner [N, OUT_H, OUT_W, CO]   flip [CO]: -1 takes minima, else 1 (may be null)
 *   y = flip * max over a window of flip * sum; winner is the window's first maximum (may be null)
 *
 * Sizes are macros. A row of a kernel covers KW * CI inputs that lie side by side: STEPS groups of GROUP inputs, and a
 * step is one dot product of a group with the weights of LANES channels, packed [KH][STEPS][CO][GROUP]. Sums of a pool
 * window stay in registers, so they are never written.
 *   dense: all steps; several windows and vectors of channels share what they load.
 *   events: for each position only the steps whose inputs are not all zero, listed first.
 *   scatter: each nonzero input adds a row of weights to all sums that it reaches, one row of a kernel at a time.
 */
#define ROW (KW * CI)
#define STEPS UP(ROW, GROUP)
#define PADDED_H (H + 2 * PAD_H)
#define PADDED_W (W + 2 * PAD_W)
#define FRAME (PADDED_H * PADDED_W * CI)
#define SUM_H ((PADDED_H - KH) / STRIDE_H + 1)
#define SUM_W ((PADDED_W - KW) / STRIDE_W + 1)
#define OUT_H (SUM_H / POOL_H)
#define OUT_W (SUM_W / POOL_W)
#define WINDOW (POOL_H * POOL_W)

#define VECTORS UP(CO, LANES) /* of one position */
#define STEP (VECTORS * LANES * GROUP)
#define CHUNK MORE(1, LESS(REGISTERS / WINDOW, VECTORS % 4 && VECTORS % 3 == 0 ? 3 : LESS(4, VECTORS)))
#define MOST_WINDOWS LESS(OUT_W, MORE(1, REGISTERS / (WINDOW * CHUNK)))
#define WINDOWS UP(OUT_W, UP(OUT_W, MOST_WINDOWS)) /* in registers at a time; parts of a row of nearly equal length */

#define EVENT_CHUNK LESS(4, VECTORS)
#define SETS (EVENT_CHUNK > 2 ? 2 : 4) /* of sums, because one set would wait for its last addition */
#define GROUPS UP(FRAME, GROUP)
#define POSITIONS (OUT_H * OUT_W * WINDOW)
#define LIST (KH * STEPS + SETS) /* most steps of a position */

/* Where skipping becomes slower than the dense path: permille of groups that are not zero. Costs of a position, measured,
 * in hundredths of a cycle: every step in the dense path, the list, a listed step (three loads and those of weights,
 * which are slower where they leave the first cache). */
#define DENSE_COST (55 * VECTORS * KH * STEPS)
#if GROUP == 4
#define LIST_COST (4500 + 400 * KH * UP(STEPS, 32))
#define STEP_COST (50 * (3 * UP(VECTORS, 4) + VECTORS))
#define MOST_SHARE (KH * STEPS * LESS(4, VECTORS) * BYTES > 32 << 10 ? 360 : 450)
#define CROSSOVER LESS(MOST_SHARE, MORE(0, (DENSE_COST - LIST_COST) * 10 / UP(KH * STEPS * STEP_COST, 100)))
#else
#define CROSSOVER (VECTORS > 4 ? 400 : 0)
#endif
/* Where groups do not begin with a position there is no skipping: rows of so few channels are too short to gain. Nor
 * where the lists of an image would fill the caches. */
#define SKIPS (CI % GROUP == 0 && KH * STEPS < 1 << 16 && (int64_t)POSITIONS * LIST < 1 << 22)

#if BITS == 16
#define RESULT int16_t
#define STORE vec_store_16
#define WIDE vec_16
#define CODES codes_16
#else
#define RESULT int32_t
#define STORE vec_store_32
#define WIDE vec
#define CODES codes_32
#endif

/* Scattering. Sums lie [SUM_H][SPREAD_W][CO]; columns that no kernel begins at take what falls outside. */
#define WIDE_LANES (BYTES / (int)sizeof(RESULT))
#define REACH (KW * CO) /* of an input, in a row of sums */
#define REACH_VECTORS UP(REACH, WIDE_LANES)
#define OUT_VECTORS UP(CO, WIDE_LANES)
#define SPREAD_W (PADDED_W + KW - 1)
#define SPREAD (SUM_H * SPREAD_W * CO + WIDE_LANES)
#define SCATTERS (STRIDE_H == 1 && STRIDE_W == 1 && SPREAD * (int)sizeof(RESULT) <= 128 << 10)
#define SCATTER_BYTES (SCATTERS ? (int64_t)CI * KH * REACH_VECTORS * WIDE_LANES : 0)
/* How many nonzero inputs make it slower than the faster other way. Costs, measured, in hundredths of a cycle: of an
 * input, and of clearing, pooling and rows of unknown length. */
#define INPUT_COST (400 + 100 * REACH_VECTORS * KH * SUM_H / H * (CO * (int)sizeof(RESULT) % BYTES ? 2 : 1))
#define SPREAD_COST (350 * POSITIONS * OUT_VECTORS + 4000 * H)
#define MOST_INPUTS (GROUP == 4 ? MORE(0, (POSITIONS * DENSE_COST - SPREAD_COST) / INPUT_COST) * (SKIPS ? 4 : 7) / 10 : 0)

int64_t NAME(packed_bytes)(void);
void NAME(pack)(const int8_t *w, uint8_t *packed);
void NAME(run)(int64_t first, int64_t last, const uint8_t *x, const uint8_t *packed, const int32_t *flip, RESULT *y,
               uint8_t *winner, int64_t permille);

#define STEP_BYTES ((KH * STEPS + 1) * STEP * (int64_t)sizeof(weight)) /* one more step, of zeros */

int64_t NAME(packed_bytes)(void)
{
    return STEP_BYTES + SCATTER_BYTES;
}

/* w [CO, CI, KH, KW] */
void NAME(pack)(const int8_t *w, uint8_t *packed)
{
    weight *to = (weight *)(void *)packed;
    int8_t *spread = (int8_t *)packed + STEP_BYTES; /* [CI][KH][KW, the last first][CO] */
    (void)spread;
    memset(packed, 0, (size_t)NAME(packed_bytes)());
    for (int o = 0; o < CO; o++)
        for (int i = 0; i < CI; i++)
            for (int a = 0; a < KH; a++)
                for (int b = 0; b < KW; b++) {
                    const int at = b * CI + i;
                    const int8_t code = w[((o * CI + i) * KH + a) * KW + b];
                    to[(a * STEPS + at / GROUP) * STEP + o * GROUP + at % GROUP] = code;
                    if (SCATTERS) /* a column to the right reads a weight further left */
                        spread[(i * KH + a) * REACH_VECTORS * WIDE_LANES + (KW - 1 - b) * CO + o] = code;
                }
}

/* The larger of two sums in each lane, the first where they are equal; both are already flipped. */
INLINE void NAME(larger)(vec *best, vec *at, const vec other, const int k)
{
    const vec larger = other > *best;
    *at = (vec_all(k) & larger) | (*at & ~larger);
    *best = (other & larger) | (*best & ~larger);
}

INLINE void NAME(store)(const vec best, const vec at, const int channels, RESULT *y, uint8_t *winner)
{
    if (channels >= LANES) {
        STORE(y, best, LANES);
        if (winner)
            vec_store_8(winner, at, LANES);
    } else {
        STORE(y, best, channels);
        if (winner)
            vec_store_8(winner, at, channels);
    }
}

/* A few windows and vectors of channels. Both counts are constants, so loops unroll. */
INLINE void NAME(block)(const int windows, const int vectors, const unit *in, const weight *w, const int32_t *offset,
                        const int32_t *sign, const int channels, RESULT *y, uint8_t *winner)
{
    vec sum[WINDOWS][WINDOW][CHUNK];
#pragma GCC unroll 32
    for (int n = 0; n < windows; n++)
#pragma GCC unroll 32
        for (int k = 0; k < WINDOW; k++)
#pragma GCC unroll 32
            for (int v = 0; v < vectors; v++)
                sum[n][k][v] = vec_all(0);
#pragma GCC unroll 4
    for (int j = 0; j < KH * STEPS; j++, w += STEP) {
        const unit *at = in + offset[j];
        vec part[CHUNK];
#pragma GCC unroll 32
        for (int v = 0; v < vectors; v++)
            part[v] = vec_load(w + v * LANES * GROUP);
#pragma GCC unroll 32
        for (int n = 0; n < windows; n++)
#pragma GCC unroll 32
            for (int k = 0; k < WINDOW; k++) {
                const vec x = vec_inputs(
                    at + (k / POOL_W * STRIDE_H * PADDED_W + (n * POOL_W + k % POOL_W) * STRIDE_W) * CI);
#pragma GCC unroll 32
                for (int v = 0; v < vectors; v++)
                    sum[n][k][v] = DOT(sum[n][k][v], x, part[v]);
            }
    }
#pragma GCC unroll 32
    for (int n = 0; n < windows; n++)
#pragma GCC unroll 32
        for (int v = 0; v < vectors; v++) {
            const vec s = vec_load(sign + v * LANES);
            vec best = sum[n][0][v] ^ s, at = vec_all(0); /* ~sum orders as -sum does, and cannot overflow */
#pragma GCC unroll 32
            for (int k = 1; k < WINDOW; k++)
                NAME(larger)(&best, &at, sum[n][k][v] ^ s, k);
            NAME(store)(best ^ s, at, channels - v * LANES, y + n * CO + v * LANES,
                        winner ? winner + n * CO + v * LANES : 0);
        }
}

/* The output of a few vectors of channels. */
INLINE void NAME(dense)(const int vectors, const unit *frame, const weight *w, const int32_t *offset,
                        const int32_t *sign, const int channels, RESULT *y, uint8_t *winner)
{
    for (int p = 0; p < OUT_H; p++)
        for (int n = 0; n < OUT_W; n += WINDOWS) {
            const unit *in = frame + (p * POOL_H * STRIDE_H * PADDED_W + n * POOL_W * STRIDE_W) * CI;
            const int to = (p * OUT_W + n) * CO;
            if (n + WINDOWS <= OUT_W)
                NAME(block)(WINDOWS, vectors, in, w, offset, sign, channels, y + to, winner ? winner + to : 0);
            else
                NAME(block)(OUT_W % WINDOWS, vectors, in, w, offset, sign, channels, y + to, winner ? winner + to : 0);
        }
}

/* For each position of each window the steps that are not zero, filled up with steps of zeros to whole sets. */
INLINE void NAME(list)(const uint64_t *bits, uint16_t *steps, int32_t *ends)
{
    int n = 0;
    for (int p = 0; p < POSITIONS; p++) {
        const int window = p / WINDOW, k = p % WINDOW;
        const int row = (window / OUT_W * POOL_H + k / POOL_W) * STRIDE_H;
        const int corner = (row * PADDED_W + (window % OUT_W * POOL_W + k % POOL_W) * STRIDE_W) * CI;
        for (int a = 0; a < KH; a++)
#pragma GCC unroll 4
            for (int j = 0; j < STEPS; j += 32) {
                const uint32_t inside = STEPS - j < 32 ? (1u << (STEPS - j) % 32) - 1 : ~0u;
                const uint32_t ones = bits_at(bits, (corner + a * PADDED_W * CI) / GROUP + j) & inside;
                n += places_of(ones, a * STEPS + j, steps + n);
            }
#pragma GCC unroll 4
        for (int j = 0; j < SETS; j++)
            steps[n + j] = KH * STEPS;
        n = UP(n, SETS) * SETS;
        ends[p] = n;
    }
}

/* The output of a few vectors of channels from the listed steps; the number of vectors is a constant. */
INLINE void NAME(events)(const int vectors, const unit *frame, const weight *w, const int32_t *offset,
                         const uint16_t *steps, const int32_t *ends, const int32_t *sign, const int channels, RESULT *y,
                         uint8_t *winner)
{
    for (int q = 0, i = 0; q < OUT_H * OUT_W; q++) {
        vec best[EVENT_CHUNK], at[EVENT_CHUNK];
        for (int k = 0; k < WINDOW; k++) {
            const int row = (q / OUT_W * POOL_H + k / POOL_W) * STRIDE_H;
            const unit *in = frame + (row * PADDED_W + (q % OUT_W * POOL_W + k % POOL_W) * STRIDE_W) * CI;
            const int end = ends[q * WINDOW + k];
            vec sum[SETS][EVENT_CHUNK];
#pragma GCC unroll 4
            for (int s = 0; s < SETS; s++)
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++)
                    sum[s][v] = vec_all(0);
            for (; i < end; i += SETS)
#pragma GCC unroll 4
                for (int s = 0; s < SETS; s++) {
                    const int j = steps[i + s];
                    const vec x = vec_inputs(in + offset[j]);
#pragma GCC unroll 4
                    for (int v = 0; v < vectors; v++)
                        sum[s][v] = DOT(sum[s][v], x, vec_load(w + (int64_t)j * STEP + v * LANES * GROUP));
                }
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) {
                vec total = sum[0][v];
#pragma GCC unroll 4
                for (int s = 1; s < SETS; s++)
                    total += sum[s][v];
                total ^= vec_load(sign + v * LANES);
                if (k)
                    NAME(larger)(&best[v], &at[v], total, k);
                else
                    best[v] = total, at[v] = vec_all(0);
            }
        }
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            NAME(store)(best[v] ^ vec_load(sign + v * LANES), at[v], channels - v * LANES, y + q * CO + v * LANES,
                        winner ? winner + q * CO + v * LANES : 0);
    }
}

/* All sums of a frame. */
APART void NAME(scatter)(const uint8_t *x, const int8_t *w, uint32_t *index, RESULT *sums)
{
    memset(sums, 0, sizeof(RESULT) * SPREAD); /* what falls outside, too, or it would overflow in time */
    for (int i = 0; i < H; i++, x += W * CI) {
        const int n = nonzero_indices(x, W * CI, index), row = i + PAD_H;
        const int first = MORE(0, row - SUM_H + 1), last = LESS(KH - 1, row); /* rows of the kernel */
        for (int e = 0; e < n; e++) {
            const int at = (int)index[e] / CI, from = (int)index[e] % CI;
            RESULT *to = sums + ((row - first) * SPREAD_W + at + PAD_W) * CO;
            const int8_t *code = w + (from * KH + first) * REACH_VECTORS * WIDE_LANES;
            for (int a = first; a <= last; a++, to -= SPREAD_W * CO, code += REACH_VECTORS * WIDE_LANES)
#pragma GCC unroll 12
                for (int v = 0; v < REACH_VECTORS; v++) {
                    WIDE sum, wide = CODES(code + v * WIDE_LANES);
                    memcpy(&sum, to + v * WIDE_LANES, sizeof sum);
                    sum += MOST > 1 ? wide * (RESULT)x[index[e]] : wide;
                    memcpy(to + v * WIDE_LANES, &sum, sizeof sum);
                }
        }
    }
}

/* Windows of scattered sums. */
APART void NAME(pooled)(const RESULT *sums, const RESULT *sign, RESULT *y, uint8_t *winner)
{
    for (int q = 0; q < OUT_H * OUT_W; q++)
        for (int v = 0; v < OUT_VECTORS; v++) {
            const int o = v * WIDE_LANES, count = LESS(WIDE_LANES, CO - o), to = q * CO + o;
            WIDE s, best = {0}, at = {0};
            memcpy(&s, sign + o, sizeof s);
#pragma GCC unroll 16
            for (int k = 0; k < WINDOW; k++) {
                const int row = q / OUT_W * POOL_H + k / POOL_W, column = q % OUT_W * POOL_W + k % POOL_W;
                WIDE sum;
                memcpy(&sum, sums + (row * SPREAD_W + column + KW - 1) * CO + o, sizeof sum);
                sum ^= s;
                const WIDE larger = k ? sum > best : ~(WIDE){0};
                at = (((WIDE){0} + (RESULT)k) & larger) | (at & ~larger);
                best = (sum & larger) | (best & ~larger);
            }
            best ^= s;
            if (count == WIDE_LANES)
                memcpy(y + to, &best, sizeof best);
            else
                memcpy(y + to, &best, (size_t)(CO % WIDE_LANES) * sizeof(RESULT));
            if (winner)
                for (int l = 0; l < count; l++)
                    winner[to + l] = (uint8_t)at[l];
        }
}

/* One frame. Memory: `frame` is padded with zeros, also behind its end. */
APART void NAME(one)(const uint8_t *x, const weight *w, const int32_t *sign, const int64_t permille, unit *frame,
                     uint64_t *bits, uint16_t *steps, int32_t *ends, RESULT *y, uint8_t *winner)
{
    int32_t offset[KH * STEPS + 1]; /* where a step reads; one loop, because the end of a short one is mispredicted */
    for (int j = 0; j < KH * STEPS; j++)
        offset[j] = j / STEPS * PADDED_W * CI + j % STEPS * GROUP;
    offset[KH * STEPS] = 0; /* its weights are zero */
    for (int i = 0; i < H; i++)
        for (int j = 0; j < W * CI; j++)
            frame[((i + PAD_H) * PADDED_W + PAD_W) * CI + j] = x[i * W * CI + j];
    if (SKIPS && permille && group_bits(frame, GROUPS, bits) * 1000 < permille * GROUPS) {
        NAME(list)(bits, steps, ends);
        int v = 0;
        for (; v + EVENT_CHUNK <= VECTORS; v += EVENT_CHUNK)
            NAME(events)(EVENT_CHUNK, frame, w + v * LANES * GROUP, offset, steps, ends, sign + v * LANES, CO - v * LANES,
                         y + v * LANES, winner ? winner + v * LANES : 0);
        if (VECTORS % EVENT_CHUNK)
            NAME(events)(VECTORS % EVENT_CHUNK, frame, w + v * LANES * GROUP, offset, steps, ends, sign + v * LANES,
                         CO - v * LANES, y + v * LANES, winner ? winner + v * LANES : 0);
        return;
    }
    int v = 0;
    for (; v + CHUNK <= VECTORS; v += CHUNK)
        NAME(dense)(CHUNK, frame, w + v * LANES * GROUP, offset, sign + v * LANES, CO - v * LANES, y + v * LANES,
                    winner ? winner + v * LANES : 0);
    if (VECTORS % CHUNK)
        NAME(dense)(VECTORS % CHUNK, frame, w + v * LANES * GROUP, offset, sign + v * LANES, CO - v * LANES,
                    y + v * LANES, winner ? winner + v * LANES : 0);
}

/* Frames first..last - 1. Frames of fewer than `permille` groups that are not zero go the way of events, and with 2000
 * all are scattered; a negative one stands for the fastest way of each frame. */
void NAME(run)(int64_t first, int64_t last, const uint8_t *x, const uint8_t *packed, const int32_t *flip, RESULT *y,
               uint8_t *winner, int64_t permille)
{
    static _Thread_local unit frame[FRAME + 64 * GROUP];
    static _Thread_local uint64_t bits[UP(GROUPS, 64) + 2];
    static _Thread_local uint16_t steps[SKIPS ? POSITIONS * LIST + 32 : 1];
    static _Thread_local int32_t ends[SKIPS ? POSITIONS : 1];
    static _Thread_local RESULT room[SCATTERS ? SPREAD + WIDE_LANES : WIDE_LANES];
    RESULT *const sums = (RESULT *)(((uintptr_t)room + BYTES - 1) & ~(uintptr_t)(BYTES - 1)); /* or vectors cross lines */
    static _Thread_local uint32_t index[SCATTERS ? W * CI + 16 : 1];
    RESULT wide_sign[OUT_VECTORS * WIDE_LANES] = {0};
    int32_t sign[VECTORS * LANES] = {0};
    for (int o = 0; o < CO && flip; o++)
        sign[o] = wide_sign[o] = flip[o] < 0 ? -1 : 0;
    for (int64_t n = first; n < last; n++) {
        const uint8_t *in = x + n * (H * W * CI);
        const int64_t to = n * (OUT_H * OUT_W * CO);
        if (SCATTERS && (permille >= 2000 || (permille < 0 && MOST_INPUTS && nonzeros(in, H * W * CI) < MOST_INPUTS))) {
            NAME(scatter)(in, (const int8_t *)packed + STEP_BYTES, index, sums);
            NAME(pooled)(sums, wide_sign, y + to, winner ? winner + to : 0);
            continue;
        }
        NAME(one)(in, (const weight *)(const void *)packed, sign, permille < 0 ? CROSSOVER : permille, frame, bits, steps,
                  ends, y + to, winner ? winner + to : 0);
    }
}
