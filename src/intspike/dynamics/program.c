/* A program as a map on vectors of integers. Before this stand the program, `lane`, `network`, and the generated

   load_state(s, u), store_state(s, u)   between the program's struct and a state [width] */

#include <string.h>

/* The struct of a thread; what depends on the input alone is kept in it while network and phase stay the same. */
static _Thread_local program_state work;
static _Thread_local int64_t loaded, at_phase;

static void step_one(const network *net, lane *u, lane *space, int64_t phase)
{
    const int fresh = loaded != net->id || at_phase != phase;
    (void)space;
    load_state(&work, u);
    program_step(&work, net->drive + phase * PROGRAM_INPUTS, fresh);
    loaded = net->id, at_phase = phase;
    store_state(&work, u);
}

#define WIDTH(net) ((net)->width)

static void send(const network *net, const lane *u, uint8_t *words)
{
    for (int64_t i = 0; i < net->n; i++)
        words[i] = (uint8_t)u[net->sends[i]];
}

static int64_t at_ends(const network *net, const lane *u)
{
    int64_t count = 0;
    for (int64_t i = 0; i < net->n; i++) {
        const int64_t m = net->membranes[i];
        count += u[m] == net->highs[m] || (net->lows[m] < 0 && u[m] == net->lows[m]);
    }
    return count;
}

/* States first..last-1 of [B, padded], after so many timesteps. */
void advance(int64_t first, int64_t last, const network *net, int64_t steps, int64_t phase, lane *states)
{
    for (int64_t b = first; b < last; b++)
        for (int64_t t = 0; t < steps; t++)
            step_one(net, states + b * net->padded, 0, (phase + t) % net->phases);
}
