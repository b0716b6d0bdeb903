/* Networks that drive themselves, many states at once or one alone. Behind a generated head, which defines

   lane              an integer that holds every value of a timestep
   next_code(...)    one neuron's timestep: its code, last output (0 or 1), current, threshold and reset
   LOW, BITS         the lowest code, and the width of a code

   Weights come twice: by rows of nonzero entries for many states, transposed and dense for one. */

#include <stdlib.h>
#include <string.h>

typedef lane vec __attribute__((vector_size(64)));
#define PER (64 / (int64_t)sizeof(lane)) /* states in a vector */
#define VECS 4
#define BLOCK (VECS * PER)

typedef struct {
    int64_t n, phases;
    const int64_t *starts;   /* [N + 1] into sources and weights */
    const int64_t *sources;
    const lane *weights;
    const lane *columns;     /* [N, N], row j holds what j sends */
    const lane *drive;       /* [P, N] */
    const lane *theta, *reset;
} network;

/* --- many states ----------------------------------------------------------------------------------------- */

/* One timestep of a block: u [N][VECS]; fired [N][VECS] is space for masks of all ones. */
static void step_block(const network *net, vec (*u)[VECS], vec (*fired)[VECS], const lane *drive)
{
    for (int64_t j = 0; j < net->n; j++)
        for (int k = 0; k < VECS; k++)
            fired[j][k] = (vec)(u[j][k] >= net->theta[j]);
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
        const lane theta = net->theta[i], reset = net->reset[i];
        lane *code = (lane *)u[i];
        const lane *current = (const lane *)sum, *sent = (const lane *)fired[i];
        for (int64_t l = 0; l < BLOCK; l++)
            code[l] = next_code(code[l], (lane)(-sent[l]), current[l], theta, reset);
    }
}

/* Room for two blocks at a multiple of 64 bytes inside `raw`, which the caller frees. */
static vec (*space(int64_t n, char **raw))[VECS]
{
    *raw = malloc((size_t)n * 2 * VECS * 64 + 64);
    return *raw ? (vec(*)[VECS])(*raw + (64 - (uintptr_t)*raw % 64)) : 0;
}

/* States [B, N] of blocks first..last-1, B a multiple of `block_size()`, after so many timesteps. -1: no memory. */
int32_t advance(int64_t first, int64_t last, const network *net, int64_t steps, int64_t phase, lane *states)
{
    const int64_t n = net->n;
    char *raw;
    vec (*u)[VECS] = space(n, &raw);
    if (!u)
        return -1;
    for (int64_t b = first; b < last; b++) {
        lane *at = states + b * BLOCK * n;
        for (int64_t l = 0; l < BLOCK; l++)
            for (int64_t i = 0; i < n; i++)
                ((lane *)u[i])[l] = at[l * n + i];
        for (int64_t t = 0; t < steps; t++)
            step_block(net, u, u + n, net->drive + (phase + t) % net->phases * n);
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

/* The successor of every state of blocks first..last-1, as indices; `states` of them exist at each phase. */
int32_t successors(int64_t first, int64_t last, const network *net, int64_t states, uint32_t *next)
{
    const int64_t n = net->n, blocks = (states + BLOCK - 1) / BLOCK;
    const uint32_t mask = ((uint32_t)1 << BITS) - 1;
    char *raw;
    vec (*u)[VECS] = space(n, &raw);
    if (!u)
        return -1;
    for (int64_t b = first; b < last; b++) {
        const int64_t phase = b / blocks, start = b % blocks * BLOCK;
        const int64_t count = states - start < BLOCK ? states - start : BLOCK;
        for (int64_t i = 0; i < n; i++)
            for (int64_t l = 0; l < BLOCK; l++)
                ((lane *)u[i])[l] = (lane)((int32_t)(((uint32_t)(start + l) >> (BITS * (n - 1 - i))) & mask) + (LOW));
        step_block(net, u, u + n, net->drive + phase * n);
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

static void step_one(const network *net, lane *restrict u, lane *restrict sum, int64_t phase)
{
    const int64_t n = net->n;
    memcpy(sum, net->drive + phase * n, (size_t)n * sizeof(lane));
    for (int64_t j = 0; j < n; j++)
        if (u[j] >= net->theta[j]) {
            const lane *restrict w = net->columns + j * n;
            for (int64_t i = 0; i < n; i++)
                sum[i] = (lane)(sum[i] + w[i]);
        }
    const lane *restrict theta = net->theta, *restrict reset = net->reset;
    for (int64_t i = 0; i < n; i++)
        u[i] = next_code(u[i], (lane)(u[i] >= theta[i]), sum[i], theta[i], reset[i]);
}

static int64_t after(const network *net, int64_t phase)
{
    return phase + 1 == net->phases ? 0 : phase + 1;
}

static int same(const network *net, const lane *a, const lane *b)
{
    return memcmp(a, b, (size_t)net->n * sizeof(lane)) == 0;
}

/* Brent's search for the period, at most `most` timesteps further.

   buffers [3, N]: the state waited for, the state that moves, space; at [4]: the power of two, timesteps since it
   waits, the phases of both. Returns 1 when the period is found (at[1]), else 0. */
int32_t brent(const network *net, lane *buffers, int64_t *at, int64_t most)
{
    lane *waits = buffers, *moves = buffers + net->n, *sum = buffers + 2 * net->n;
    while (most-- > 0) {
        if (at[0] == at[1]) {
            memcpy(waits, moves, (size_t)net->n * sizeof(lane));
            at[2] = at[3];
            at[0] *= 2;
            at[1] = 0;
        }
        step_one(net, moves, sum, at[3]);
        at[3] = after(net, at[3]);
        at[1]++;
        if (at[2] == at[3] && same(net, waits, moves))
            return 1;
    }
    return 0;
}

/* Both states of `buffers` move until they meet, at most so many timesteps: returns how many, or -1.
   They are a period apart, so their phases are equal. */
int64_t meet(const network *net, lane *buffers, int64_t phase, int64_t most)
{
    lane *a = buffers, *b = buffers + net->n, *sum = buffers + 2 * net->n;
    for (int64_t t = 0; t <= most; t++) {
        if (same(net, a, b))
            return t;
        step_one(net, a, sum, phase);
        step_one(net, b, sum, phase);
        phase = after(net, phase);
    }
    return -1;
}

/* The timesteps that follow a state: it moves on; words [steps, N] of 0 and 1 is what it sends at each, itself
   first (not written where it is null). `least` [N] becomes the least state at phase 0, compared neuron by neuron,
   if `seen` says that it holds one or one comes by. rails counts codes at the ends (the low end only where it is
   not rest). Returns `seen`. */
int32_t follow(
    const network *net, lane *buffers, int64_t phase, int64_t steps, uint8_t *words, lane *least, int32_t seen,
    int64_t *rails)
{
    const int64_t n = net->n;
    lane *u = buffers, *sum = buffers + 2 * n;
    for (int64_t t = 0; t < steps; t++) {
        if (words)
            for (int64_t i = 0; i < n; i++)
                words[t * n + i] = u[i] >= net->theta[i];
        if (least && phase == 0) {
            int64_t i = 0;
            while (seen && i < n && u[i] == least[i])
                i++;
            if (!seen || (i < n && u[i] < least[i]))
                memcpy(least, u, (size_t)n * sizeof(lane));
            seen = 1;
        }
        if (rails)
            for (int64_t i = 0; i < n; i++)
                *rails += u[i] == (LOW) + (int32_t)(((uint32_t)1 << BITS) - 1) || ((LOW) < 0 && u[i] == (LOW));
        step_one(net, u, sum, phase);
        phase = after(net, phase);
    }
    return seen;
}
