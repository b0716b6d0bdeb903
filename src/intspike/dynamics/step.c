/* One state alone: a vector holds neurons. Behind network.c and a generated `next_code(...)`, one neuron's timestep: its
   code, last output (0 or 1), current, threshold and reset. Weights come by what one neuron or four send. */

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

int64_t vector_size(void)
{
    return PER;
}
