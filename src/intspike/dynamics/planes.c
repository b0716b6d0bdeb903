/* Many states at once: one bit of each in a plane, a vector. Behind gates.c and a generated head, which defines

   fires(...)        whether one neuron's code reaches its threshold
   next_planes(...)  one neuron's timestep
   BITS, LOW         planes of a code, the lowest code
   THETA, CURRENT    planes of a threshold, and of a current that the head reads

   A neuron's current is added up plane by plane: a full adder takes two bits of one weight to one, and a carry to the
   next plane. Negative weights count the neurons that do not fire, so that nothing is subtracted; what that counts too
   much is in `begins`. */

typedef struct {
    int64_t n, phases;
    const uint32_t *senders;  /* who sends to each neuron, plane by plane: see sum_planes */
    const uint64_t *begins;   /* [P, N, CURRENT]: planes of what a neuron receives from nobody */
    const uint64_t *theta, *reset; /* [N, THETA] planes of each */
    int64_t carries;          /* the most of a neuron's sum */
} network;

#define STATES (8 * VECTOR)
#define IN_LINE static inline __attribute__((always_inline))

/* A full adder: of three bits of one weight, the sum stays and the carry is of twice the weight. */
IN_LINE plane add(plane *s, plane x, plane y)
{
    const plane carry = gate(*s, x, y, 0xe8);
    *s = gate(*s, x, y, 0x96);
    return carry;
}

IN_LINE plane add_four(plane *s, plane *twos, const plane *sent, const uint32_t *at)
{
    const plane x = add(s, sent[at[0]], sent[at[1]]), y = add(s, sent[at[2]], sent[at[3]]);
    return add(twos, x, y);
}

/* What a neuron receives: `at` says for every plane how many eights, fours and twos of bits add up (4 e + 2 f + t), and
   which of `sent` they are (see `packing.senders`); what they carry goes to the next of `carries`, behind `sent`, which
   later planes name. Returns where the next neuron's begins. */
IN_LINE const uint32_t *sum_planes(
    const uint32_t *at, const uint64_t *begins, const plane *sent, plane *carries, plane *sum)
{
    for (int c = 0; c < CURRENT; c++)
        sum[c] = ALL_ZEROS + begins[c];
#pragma GCC unroll 64
    for (int c = 0; c < CURRENT; c++) {
        const uint32_t counts = *at++, *eights = at + 8 * (counts >> 2);
        plane s = sum[c], s2 = sum[c + 1], s4 = sum[c + 2]; /* what leaves the planes is lost: sums are modulo 2^CURRENT */
        for (; at < eights; at += 8) {
            const plane x = add_four(&s, &s2, sent, at), y = add_four(&s, &s2, sent, at + 4);
            *carries++ = add(&s4, x, y);
        }
        if (counts & 2) {
            *carries++ = add_four(&s, &s2, sent, at);
            at += 4;
        }
        if (counts & 1) {
            *carries++ = add(&s, sent[at[0]], sent[at[1]]);
            at += 2;
        }
        sum[c] = s, sum[c + 1] = s2, sum[c + 2] = s4;
    }
    return at;
}

/* One timestep of a block: u [N, BITS]; what the neurons send stands in `sent`, and goes to `next` for the timestep that
   follows: large networks leave the first cache, so codes are read once a timestep. */
static void step_planes(
    const network *net, plane *u, const plane *sent, plane *carries, plane *next, const uint64_t *begins)
{
    const int64_t n = net->n;
    const uint32_t *at = net->senders;
    for (int64_t i = 0; i < n; i++) {
        plane sum[CURRENT + 2] = {{0}};
        at = sum_planes(at, begins + i * CURRENT, sent, carries, sum);
        next[2 * i] = next_planes(
            u + i * BITS, sent[2 * i], sum, net->theta + i * THETA, net->reset + i * THETA);
        next[2 * i + 1] = ~next[2 * i];
    }
}

/* Timesteps of a block: u [N, BITS], and behind it twice what neurons send: bit 2 j is neuron j where it fires, 2 j + 1
   where it does not, 2 N nobody; then the carries of a sum. */
static void move_planes(const network *net, plane *u, int64_t steps, int64_t phase)
{
    const int64_t n = net->n, wires = 2 * n + 1;
    plane *sent = u + n * BITS, *next = sent + wires + net->carries;
    for (int64_t j = 0; j < n; j++) {
        sent[2 * j] = fires(u + j * BITS, net->theta + j * THETA);
        sent[2 * j + 1] = ~sent[2 * j];
    }
    sent[2 * n] = next[2 * n] = ALL_ZEROS;
    for (int64_t t = 0; t < steps; t++) {
        step_planes(net, u, sent, sent + wires, next, net->begins + (phase + t) % net->phases * n * CURRENT);
        plane *old = sent;
        sent = next, next = old;
    }
}

/* Room for a block at a multiple of 64 bytes inside `raw`, which the caller frees. */
static plane *room(const network *net, char **raw)
{
    *raw = malloc((size_t)(net->n * (BITS + 4) + 2 + 2 * net->carries) * sizeof(plane) + 64);
    return *raw ? (plane *)(void *)(*raw + (64 - (uintptr_t)*raw % 64)) : 0;
}

/* Bit b of byte j becomes bit j of byte b. Not in line: loops around it would be vectorized at length, for nothing. */
static __attribute__((noinline)) uint64_t transposed(uint64_t x)
{
    uint64_t t = (x ^ x >> 7) & 0x00aa00aa00aa00aaull;
    x ^= t ^ t << 7;
    t = (x ^ x >> 14) & 0x0000cccc0000ccccull;
    x ^= t ^ t << 14;
    t = (x ^ x >> 28) & 0x00000000f0f0f0f0ull;
    return x ^ t ^ t << 28;
}

/* States [count, N], the last of them again where a block has more, eight at a time: their codes are read in the order in
   which they lie. */
static void to_planes(const int64_t *states, int64_t count, int64_t n, plane *u)
{
    for (int64_t l = 0; l < STATES; l += 8) {
        const int64_t *row[8];
        for (int64_t j = 0; j < 8; j++)
            row[j] = states + (l + j < count ? l + j : count - 1) * n;
        for (int64_t i = 0; i < n; i++)
            for (int first = 0; first < BITS; first += 8) {
                uint64_t x = 0;
                for (int j = 0; j < 8; j++)
                    x |= ((uint64_t)row[j][i] >> first & 255) << 8 * j;
                x = transposed(x);
                for (int b = 0; b < 8 && first + b < BITS; b++)
                    ((uint8_t *)(u + i * BITS + first + b))[l / 8] = (uint8_t)(x >> 8 * b);
            }
    }
}

static void from_planes(const plane *u, int64_t n, int64_t *states, int64_t count)
{
    const int64_t sign = (LOW) < 0 ? (int64_t)1 << (BITS - 1) : 0; /* its plane counts -2^(BITS - 1) */
    for (int64_t l = 0; l < count; l += 8)
        for (int64_t i = 0; i < n; i++) {
            int64_t codes[8] = {0};
            for (int first = 0; first < BITS; first += 8) {
                uint64_t x = 0;
                for (int b = 0; b < 8 && first + b < BITS; b++)
                    x |= (uint64_t)((const uint8_t *)(u + i * BITS + first + b))[l / 8] << 8 * b;
                x = transposed(x);
                for (int j = 0; j < 8; j++)
                    codes[j] |= (int64_t)(x >> 8 * j & 255) << first;
            }
            for (int64_t j = 0; j < 8 && l + j < count; j++)
                states[(l + j) * n + i] = (codes[j] ^ sign) - sign;
        }
}

/* The states [count, N] of blocks first..last-1 after so many timesteps; `to` may be `from`. -1: no memory. */
int32_t advance(
    int64_t first, int64_t last, const network *net, int64_t steps, int64_t phase, int64_t count, const int64_t *from,
    int64_t *to)
{
    const int64_t n = net->n;
    char *raw;
    plane *u = room(net, &raw);
    if (!u)
        return -1;
    for (int64_t l = first * STATES; l < last * STATES; l += STATES) {
        const int64_t some = count - l < STATES ? count - l : STATES;
        to_planes(from + l * n, some, n, u);
        move_planes(net, u, steps, phase);
        from_planes(u, n, to + l * n, some);
    }
    free(raw);
    return 0;
}

#define WORDS (VECTOR / 4)
typedef uint32_t words __attribute__((vector_size(VECTOR), may_alias));

/* 32 times 32 bits, turned around in each of WORDS places: bit r of x[p] becomes bit p of x[r]. */
static void turn(words *x)
{
    uint32_t mask = 0x0000ffffu;
    for (int j = 16; j; j >>= 1, mask ^= mask << j)
        for (int k = 0; k < 32; k = ((k | j) + 1) & ~j) {
            const words t = (x[k] >> j ^ x[k | j]) & mask;
            x[k | j] ^= t;
            x[k] ^= t << j;
        }
}

/* The successor of every state of blocks first..last-1, as indices; `states` of them exist at each phase. The digits of
   an index are codes - LOW: planes, but for the sign, which is turned. State r * WORDS + g of a block is bit r of word g
   of a plane. */
int32_t successors(int64_t first, int64_t last, const network *net, int64_t states, uint32_t *next)
{
    const int64_t n = net->n, blocks = (states + STATES - 1) / STATES, digits = BITS * n;
    char *raw;
    plane *u = room(net, &raw);
    if (!u)
        return -1;
    words index[32];
    for (int r = 0; r < 32; r++)
        for (int g = 0; g < WORDS; g++)
            index[r][g] = (uint32_t)(r * WORDS + g);
    turn(index); /* the digits of the first block's indices */
    plane own[32];
    memcpy(own, index, sizeof own);
    for (int64_t b = first; b < last; b++) {
        const int64_t phase = b / blocks, start = b % blocks * STATES;
        for (int64_t d = 0; d < digits; d++) {
            const int turned = (LOW) < 0 && d % BITS == BITS - 1;
            u[(n - 1 - d / BITS) * BITS + d % BITS] = own[d] ^ (ALL_ZEROS - (uint64_t)((start >> d & 1) ^ turned));
        }
        move_planes(net, u, 1, phase);
        for (int64_t d = 0; d < 32; d++) {
            const int turned = (LOW) < 0 && d % BITS == BITS - 1;
            if (d < digits)
                index[d] = (words)(u[(n - 1 - d / BITS) * BITS + d % BITS] ^ (ALL_ZEROS - (uint64_t)turned));
            else
                index[d] = (words){0};
        }
        turn(index);
        const uint32_t base = (uint32_t)((phase + 1) % net->phases * states);
        const int64_t left = states - start < STATES ? states - start : STATES;
        for (int r = 0; r < 32; r++)
            index[r] += base;
        memcpy(next + phase * states + start, index, (size_t)left * sizeof *next);
    }
    free(raw);
    return 0;
}

int64_t block_size(void)
{
    return STATES;
}

int64_t current_planes(void)
{
    return CURRENT;
}

int64_t threshold_planes(void)
{
    return THETA;
}
