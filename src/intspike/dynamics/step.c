/* Networks that drive themselves, many states at once or one alone. Behind a generated head, which defines

   lane              an integer that holds every value of a timestep
   next_code(...)    one neuron's timestep: its code, last output (0 or 1), current, threshold and reset
   LOW, BITS         the lowest code, and the width of a code

   Weights come in two ways: by rows of nonzero entries for many states, by what one neuron or four send for one.
   Arrays over neurons that one state meets are padded with neurons that never fire, to whole vectors. */

#include <stdlib.h>
#include <string.h>
#if LANE_BITS == 16 && defined(__AVX512VBMI__) && defined(__AVX512BW__)
#include <immintrin.h>
#define TABLES
#endif

typedef lane vec __attribute__((vector_size(64)));
#define PER (64 / (int64_t)sizeof(lane)) /* states in a vector */
#define VECS 4
#define BLOCK (VECS * PER)

typedef struct {
    int64_t n, padded, phases;
    const int64_t *starts;   /* [N + 1] into sources and weights */
    const int64_t *sources;
    const lane *weights;
    const lane *columns;     /* [N, padded], row j holds what j sends; or, where `fours`, */
    int64_t fours;           /* [padded / 4, 16, padded]: what four neurons send, by which of them fire */
    const lane *drive;       /* [P, padded] */
    const lane *theta, *reset;
    int64_t groups, chunk;   /* of the tables below; no groups: there are none */
    const int8_t *tables;    /* [N, groups, 64]: what neuron i receives from six neurons, by which of them fire */
    const int8_t *kept;      /* of signed codes of eight bits, [N, 256]: what stays of a code without current; or null */
    const uint8_t *narrow;   /* [N]: whether sums of those, drive included, may be taken modulo 256 */
    int64_t saturates;
} network;

/* --- many states ----------------------------------------------------------------------------------------- */

static inline void update(const network *net, int64_t i, vec *u, const vec *sum)
{
    const lane theta = net->theta[i], reset = net->reset[i];
    lane *code = (lane *)u;
    const lane *current = (const lane *)sum;
    for (int64_t l = 0; l < BLOCK; l++)
        code[l] = next_code(code[l], (lane)(code[l] >= theta), current[l], theta, reset);
}

#ifdef TABLES
#define HALVES (VECS / 2) /* a byte a state: half as many registers */

/* Which of the six neurons of every group fire, as a number below 64, for every state: [groups][HALVES]. */
static void firing(const network *net, vec (*u)[VECS], __m512i (*which)[HALVES])
{
    for (int64_t g = 0; g < net->groups; g++) {
        __m512i index[HALVES];
        for (int h = 0; h < HALVES; h++)
            index[h] = _mm512_setzero_si512();
        for (int64_t j = 6 * g; j < net->n && j < 6 * g + 6; j++) {
            const __m512i theta = _mm512_set1_epi16(net->theta[j]), bit = _mm512_set1_epi8((char)(1 << (j - 6 * g)));
            for (int h = 0; h < HALVES; h++) {
                const __mmask64 low = _mm512_cmpge_epi16_mask((__m512i)u[j][2 * h], theta);
                const __mmask64 high = _mm512_cmpge_epi16_mask((__m512i)u[j][2 * h + 1], theta);
                index[h] = _mm512_mask_add_epi8(index[h], low | high << 32, index[h], bit);
            }
        }
        for (int h = 0; h < HALVES; h++)
            which[g][h] = index[h];
    }
}

/* `targets` neurons from i on: a shuffle looks six neurons up for 64 states at once, and `chunk` of what it finds add
   up within eight bits. */
static inline __attribute__((always_inline)) void step_targets(
    const network *net, int64_t i, const int targets, vec (*u)[VECS], __m512i (*which)[HALVES], const lane *drive)
{
    const int64_t groups = net->groups;
    const int8_t *table = net->tables + i * groups * 64;
    vec sum[4][VECS];
    for (int t = 0; t < targets; t++)
        for (int k = 0; k < VECS; k++)
            sum[t][k] = (vec){0} + drive[i + t];
    for (int64_t g = 0; g < groups;) {
        const int64_t end = groups - g > net->chunk ? g + net->chunk : groups;
        __m512i part[4][HALVES];
        for (int t = 0; t < targets; t++)
            for (int h = 0; h < HALVES; h++)
                part[t][h] = _mm512_setzero_si512();
        for (; g < end; g++)
            for (int t = 0; t < targets; t++) {
                const __m512i entries = _mm512_loadu_si512(table + (t * groups + g) * 64);
                for (int h = 0; h < HALVES; h++)
                    part[t][h] = _mm512_add_epi8(part[t][h], _mm512_permutexvar_epi8(which[g][h], entries));
            }
        for (int t = 0; t < targets; t++)
            for (int h = 0; h < HALVES; h++) {
                sum[t][2 * h] += (vec)_mm512_cvtepi8_epi16(_mm512_castsi512_si256(part[t][h]));
                sum[t][2 * h + 1] += (vec)_mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64(part[t][h], 1));
            }
    }
    for (int t = 0; t < targets; t++)
        update(net, i + t, u[i + t], sum[t]);
}

/* Which of the six neurons of every group fire, of codes of eight bits: u [N][HALVES]. */
static void firing_bytes(const network *net, __m512i (*u)[HALVES], __m512i (*which)[HALVES])
{
    for (int64_t g = 0; g < net->groups; g++) {
        __m512i index[HALVES];
        for (int h = 0; h < HALVES; h++)
            index[h] = _mm512_setzero_si512();
        for (int64_t j = 6 * g; j < net->n && j < 6 * g + 6; j++) {
            if (net->theta[j] > 127)
                continue; /* never fires */
            const __m512i theta = _mm512_set1_epi8((char)net->theta[j]), bit = _mm512_set1_epi8((char)(1 << (j - 6 * g)));
            for (int h = 0; h < HALVES; h++)
                index[h] = _mm512_mask_add_epi8(index[h], _mm512_cmpge_epi8_mask(u[j][h], theta), index[h], bit);
        }
        for (int h = 0; h < HALVES; h++)
            which[g][h] = index[h];
    }
}

/* What stays of codes without current: 256 entries by two lookups of 128. */
static inline __m512i stays(const __m512i table[4], __m512i code)
{
    const __m512i low = _mm512_permutex2var_epi8(table[0], code, table[1]);
    const __m512i high = _mm512_permutex2var_epi8(table[2], code, table[3]);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(code), low, high);
}

static inline __m512i saturated_sum(__m512i code, const vec *sum)
{
    const __m512i a = _mm512_add_epi16(_mm512_cvtepi8_epi16(_mm512_castsi512_si256(code)), (__m512i)sum[0]);
    const __m512i b = _mm512_add_epi16(_mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64(code, 1)), (__m512i)sum[1]);
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtsepi16_epi8(a)), _mm512_cvtsepi16_epi8(b), 1);
}

/* As step_targets on codes of eight bits: sums within eight bits, or taken modulo 256, stay there. */
static inline __attribute__((always_inline)) void step_bytes_targets(
    const network *net, int64_t i, const int targets, const int narrow, __m512i (*u)[HALVES], __m512i (*which)[HALVES],
    const lane *drive)
{
    const int64_t groups = net->groups, chunk = narrow ? groups : net->chunk;
    const int8_t *table = net->tables + i * groups * 64;
    __m512i part[4][HALVES];
    vec sum[4][VECS];
    for (int t = 0; t < targets; t++)
        for (int h = 0; h < HALVES; h++) {
            part[t][h] = narrow ? _mm512_set1_epi8((char)drive[i + t]) : _mm512_setzero_si512();
            if (!narrow)
                sum[t][2 * h] = sum[t][2 * h + 1] = (vec){0} + drive[i + t];
        }
    for (int64_t g = 0; g < groups;) {
        const int64_t end = groups - g > chunk ? g + chunk : groups;
        for (; g < end; g++)
            for (int t = 0; t < targets; t++) {
                const __m512i entries = _mm512_loadu_si512(table + (t * groups + g) * 64);
                for (int h = 0; h < HALVES; h++)
                    part[t][h] = _mm512_add_epi8(part[t][h], _mm512_permutexvar_epi8(which[g][h], entries));
            }
        if (narrow)
            continue;
        for (int t = 0; t < targets; t++)
            for (int h = 0; h < HALVES; h++) {
                sum[t][2 * h] += (vec)_mm512_cvtepi8_epi16(_mm512_castsi512_si256(part[t][h]));
                sum[t][2 * h + 1] += (vec)_mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64(part[t][h], 1));
                part[t][h] = _mm512_setzero_si512();
            }
    }
    for (int t = 0; t < targets; t++) {
        __m512i kept[4];
        for (int k = 0; k < 4; k++)
            kept[k] = _mm512_loadu_si512(net->kept + (i + t) * 256 + 64 * k);
        for (int h = 0; h < HALVES; h++) {
            const __m512i left = stays(kept, u[i + t][h]);
            if (!narrow)
                u[i + t][h] = saturated_sum(left, sum[t] + 2 * h);
            else
                u[i + t][h] = net->saturates ? _mm512_adds_epi8(left, part[t][h]) : _mm512_add_epi8(left, part[t][h]);
        }
    }
}

static void step_bytes(const network *net, __m512i (*u)[HALVES], __m512i (*which)[HALVES], const lane *drive)
{
    firing_bytes(net, u, which);
    int64_t i = 0;
    for (; i + 4 <= net->n; i += 4)
        if (net->narrow[i] && net->narrow[i + 1] && net->narrow[i + 2] && net->narrow[i + 3])
            step_bytes_targets(net, i, 4, 1, u, which, drive);
        else
            step_bytes_targets(net, i, 4, 0, u, which, drive);
    for (; i < net->n; i++)
        if (net->narrow[i])
            step_bytes_targets(net, i, 1, 1, u, which, drive);
        else
            step_bytes_targets(net, i, 1, 0, u, which, drive);
}

static void step_tables(const network *net, vec (*u)[VECS], __m512i (*which)[HALVES], const lane *drive)
{
    firing(net, u, which);
    int64_t i = 0;
    for (; i + 4 <= net->n; i += 4)
        step_targets(net, i, 4, u, which, drive);
    for (; i < net->n; i++)
        step_targets(net, i, 1, u, which, drive);
}
#endif

/* One timestep of a block: u [N][VECS]; fired [N][VECS] is space. */
static void step_block(const network *net, vec (*u)[VECS], vec (*fired)[VECS], const lane *drive)
{
#ifdef TABLES
    if (net->groups) {
        step_tables(net, u, (__m512i(*)[HALVES])(void *)fired, drive);
        return;
    }
#endif
    for (int64_t j = 0; j < net->n; j++)
        for (int k = 0; k < VECS; k++)
            fired[j][k] = (vec)(u[j][k] >= net->theta[j]); /* all ones where it fires */
    for (int64_t i = 0; i < net->n; i++) {
        vec sum[VECS];
        for (int k = 0; k < VECS; k++)
            sum[k] = (vec){0} + drive[i];
        for (int64_t e = net->starts[i]; e < net->starts[i + 1]; e++) {
            const vec *mask = fired[net->sources[e]];
            const vec w = (vec){0} + net->weights[e];
            for (int k = 0; k < VECS; k++)
                sum[k] += mask[k] & w;
        }
        update(net, i, u[i], sum);
    }
}

/* Room for two blocks at a multiple of 64 bytes inside `raw`, which the caller frees. */
static vec (*blocks_of(int64_t n, char **raw))[VECS]
{
    *raw = malloc((size_t)n * 2 * VECS * 64 + 64);
    return *raw ? (vec(*)[VECS])(*raw + (64 - (uintptr_t)*raw % 64)) : 0;
}

/* States [B, N] of blocks first..last-1, B a multiple of `block_size()`, after so many timesteps. -1: no memory. */
int32_t advance(int64_t first, int64_t last, const network *net, int64_t steps, int64_t phase, lane *states)
{
    const int64_t n = net->n;
    char *raw;
    vec (*u)[VECS] = blocks_of(n, &raw);
    if (!u)
        return -1;
    for (int64_t b = first; b < last; b++) {
        lane *at = states + b * BLOCK * n;
#ifdef TABLES
        if (net->kept) {
            __m512i(*bytes)[HALVES] = (__m512i(*)[HALVES])(void *)u;
            for (int64_t l = 0; l < BLOCK; l++)
                for (int64_t i = 0; i < n; i++)
                    ((int8_t *)bytes[i])[l] = (int8_t)at[l * n + i];
            for (int64_t t = 0; t < steps; t++)
                step_bytes(
                    net, bytes, (__m512i(*)[HALVES])(void *)(u + n), net->drive + (phase + t) % net->phases * net->padded);
            for (int64_t l = 0; l < BLOCK; l++)
                for (int64_t i = 0; i < n; i++)
                    at[l * n + i] = ((const int8_t *)bytes[i])[l];
            continue;
        }
#endif
        for (int64_t l = 0; l < BLOCK; l++)
            for (int64_t i = 0; i < n; i++)
                ((lane *)u[i])[l] = at[l * n + i];
        for (int64_t t = 0; t < steps; t++)
            step_block(net, u, u + n, net->drive + (phase + t) % net->phases * net->padded);
        for (int64_t l = 0; l < BLOCK; l++)
            for (int64_t i = 0; i < n; i++)
                at[l * n + i] = ((lane *)u[i])[l];
    }
    free(raw);
    return 0;
}

int64_t block_size(void)
{
    return BLOCK;
}

int64_t vector_size(void)
{
    return PER;
}

int32_t has_tables(void)
{
#ifdef TABLES
    return 1;
#else
    return 0;
#endif
}

/* The successor of every state of blocks first..last-1, as indices; `states` of them exist at each phase. */
int32_t successors(int64_t first, int64_t last, const network *net, int64_t states, uint32_t *next)
{
    const int64_t n = net->n, blocks = (states + BLOCK - 1) / BLOCK;
    const uint32_t mask = ((uint32_t)1 << BITS) - 1;
    char *raw;
    vec (*u)[VECS] = blocks_of(n, &raw);
    if (!u)
        return -1;
    for (int64_t b = first; b < last; b++) {
        const int64_t phase = b / blocks, start = b % blocks * BLOCK;
        const int64_t count = states - start < BLOCK ? states - start : BLOCK;
        for (int64_t i = 0; i < n; i++)
            for (int64_t l = 0; l < BLOCK; l++)
                ((lane *)u[i])[l] = (lane)((int32_t)(((uint32_t)(start + l) >> (BITS * (n - 1 - i))) & mask) + (LOW));
        step_block(net, u, u + n, net->drive + phase * net->padded);
        uint32_t index[BLOCK] = {0};
        for (int64_t i = 0; i < n; i++)
            for (int64_t l = 0; l < BLOCK; l++)
                index[l] = index[l] << BITS | (uint32_t)(((lane *)u[i])[l] - (LOW));
        const uint32_t base = (uint32_t)((phase + 1) % net->phases * states);
        uint32_t *to = next + phase * states + start;
        for (int64_t l = 0; l < count; l++)
            to[l] = base + index[l];
    }
    free(raw);
    return 0;
}

/* --- one state -------------------------------------------------------------------------------------------- */

/* What four neurons send: each vector of sums is added up in a register. `space` takes the rows, as offsets. */
static void sum_fours(const network *net, const lane *u, lane *sum, const lane *drive, lane *space)
{
    const int64_t padded = net->padded, groups = padded / 4;
    uint8_t *fired = (uint8_t *)space;
    uint32_t *rows = (uint32_t *)(void *)(fired + padded);
    for (int64_t j = 0; j < padded; j++)
        fired[j] = u[j] >= net->theta[j];
    for (int64_t g = 0; g < groups; g++) {
        uint32_t four;
        memcpy(&four, fired + 4 * g, 4);
        rows[g] = (uint32_t)((g * 16 + ((four * 0x10204080u) >> 28)) * padded); /* the four lowest bits, side by side */
    }
    for (int64_t i = 0; i < padded; i += PER) {
        vec a = *(const vec *)(const void *)(drive + i), b = {0};
        for (int64_t g = 0; g < groups; g += 2) {
            a += *(const vec *)(const void *)(net->columns + rows[g] + i);
            b += *(const vec *)(const void *)(net->columns + rows[g + 1] + i);
        }
        *(vec *)(void *)(sum + i) = a + b;
    }
}

static void sum_columns(const network *net, const lane *u, lane *restrict sum, const lane *drive)
{
    memcpy(sum, drive, (size_t)net->padded * sizeof(lane));
    for (int64_t j = 0; j < net->n; j++)
        if (u[j] >= net->theta[j]) {
            const lane *restrict w = net->columns + j * net->padded;
            for (int64_t i = 0; i < net->padded; i++)
                sum[i] = (lane)(sum[i] + w[i]);
        }
}

/* One timestep of a state [padded]; space [3, padded]. */
static void step_one(const network *net, lane *restrict u, lane *restrict space, int64_t phase)
{
    const lane *drive = net->drive + phase * net->padded;
    if (net->fours)
        sum_fours(net, u, space, drive, space + net->padded);
    else
        sum_columns(net, u, space, drive);
    const lane *restrict theta = net->theta, *restrict reset = net->reset;
    for (int64_t i = 0; i < net->padded; i++)
        u[i] = next_code(u[i], (lane)(u[i] >= theta[i]), space[i], theta[i], reset[i]);
}

/* what walk.c asks of a state */

#define WIDTH(net) ((net)->n)

static void send(const network *net, const lane *u, uint8_t *words)
{
    for (int64_t i = 0; i < net->n; i++)
        words[i] = u[i] >= net->theta[i];
}

static int64_t at_ends(const network *net, const lane *u)
{
    int64_t count = 0;
    for (int64_t i = 0; i < net->n; i++)
        count += u[i] == (LOW) + (int32_t)(((uint32_t)1 << BITS) - 1) || ((LOW) < 0 && u[i] == (LOW));
    return count;
}
