/* Orbits of one state. Before this stand `lane`, `network` with its fields n (neurons that send), padded and phases,
   WIDTH(net), the integers of a state, and

   step_one(net, u, space, phase)   a timestep of a state [padded]; space [3, padded]
   send(net, u, words)              what a state sent, [N]
   at_ends(net, u)                  how many membrane potentials are at an end of their codes */

static int64_t after(const network *net, int64_t phase)
{
    return phase + 1 == net->phases ? 0 : phase + 1;
}

static int same(const network *net, const lane *a, const lane *b)
{
    return memcmp(a, b, (size_t)WIDTH(net) * sizeof(lane)) == 0;
}

/* Brent's search for the period, at most `most` timesteps further.

   buffers [5, padded]: the state waited for, the state that moves, space for three more; at [4]: the power of two, timesteps since it
   waits, the phases of both. Returns 1 when the period is found (at[1]), else 0. */
int32_t brent(const network *net, lane *buffers, int64_t *at, int64_t most)
{
    lane *waits = buffers, *moves = buffers + net->padded, *space = buffers + 2 * net->padded;
    while (most-- > 0) {
        if (at[0] == at[1]) {
            memcpy(waits, moves, (size_t)net->padded * sizeof(lane));
            at[2] = at[3];
            at[0] *= 2;
            at[1] = 0;
        }
        step_one(net, moves, space, at[3]);
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
    lane *a = buffers, *b = buffers + net->padded, *space = buffers + 2 * net->padded;
    for (int64_t t = 0; t <= most; t++) {
        if (same(net, a, b))
            return t;
        step_one(net, a, space, phase);
        step_one(net, b, space, phase);
        phase = after(net, phase);
    }
    return -1;
}

/* The timesteps that follow a state: it moves on; words [steps, N] of 0 and 1 is what it sends at each, itself
   first (not written where it is null). `least` [width] becomes the least state at phase 0, compared integer by integer,
   if `seen` says that it holds one or one comes by. rails counts codes at the ends (the low end only where it is
   not rest). Returns `seen`. */
int32_t follow(
    const network *net, lane *buffers, int64_t phase, int64_t steps, uint8_t *words, lane *least, int32_t seen,
    int64_t *rails)
{
    const int64_t width = WIDTH(net);
    lane *u = buffers, *space = buffers + 2 * net->padded;
    for (int64_t t = 0; t < steps; t++) {
        if (words)
            send(net, u, words + t * net->n);
        if (least && phase == 0) {
            int64_t i = 0;
            while (seen && i < width && u[i] == least[i])
                i++;
            if (!seen || (i < width && u[i] < least[i]))
                memcpy(least, u, (size_t)width * sizeof(lane));
            seen = 1;
        }
        if (rails)
            *rails += at_ends(net, u);
        step_one(net, u, space, phase);
        phase = after(net, phase);
    }
    return seen;
}
