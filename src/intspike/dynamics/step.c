/* One state alone: a vector holds neurons. Behind vectors.c and a generated head: `lane`, an integer
   that holds every value of a timestep, and `next_code(...)`, one neuron's timestep: its code, last output (0 or 1), current,
   threshold and reset. Arrays over neurons are padded to multiples of 64 with neurons
   that never fire. */

typedef struct {
    int64_t n, padded, phases;
    const void *tables;       /* [padded / T, N / 4, 16, T]: what every four neurons send to T, a vector, by which fire */
    int64_t tables_hold;      /* bytes of a sum there: 1 or those of a lane; 0: there are no tables, but */
    const lane *columns;      /* [N, padded], row j holds what j sends */
    const lane *drive;        /* [P, padded] */
    const lane *theta, *reset;
} network;

/* Which of 64 neurons fire. */
static inline uint64_t fired_of(const lane *u, const lane *theta)
{
#if defined(__AVX512BW__) && LANE_BITS == 16
    const __mmask32 low = _mm512_cmpge_epi16_mask(_mm512_loadu_si512(u), _mm512_loadu_si512(theta));
    const __mmask32 high = _mm512_cmpge_epi16_mask(_mm512_loadu_si512(u + 32), _mm512_loadu_si512(theta + 32));
    return low | (uint64_t)high << 32;
#else
    uint8_t each[64];
    uint64_t fired = 0, eight;
    for (int j = 0; j < 64; j++)
        each[j] = u[j] >= theta[j];
    for (int j = 0; j < 64; j += 8) {
        memcpy(&eight, each + j, 8);
        fired |= (eight * 0x0102040810204080ull >> 56) << j; /* the lowest bits of eight bytes, side by side */
    }
    return fired;
#endif
}

#define TILE(type) /* a vector's share of the targets: what every four neurons send to them, by which of them fire */ \
    typedef type type##_tile __attribute__((vector_size(VECTOR), may_alias)); \
    static inline type##_tile type##_sum(const network *net, int64_t tile, const uint64_t *fired) \
    { \
        const int64_t fours = (net->n + 15) / 16 * 4; \
        const type##_tile *table = (const type##_tile *)net->tables + tile * fours * 16; \
        type##_tile a = {0}, b = {0}, c = {0}, d = {0}; \
        for (int64_t g = 0; g < fours; g += 4, table += 64) { \
            const uint64_t sixteen = fired[g / 16] >> g % 16 * 4; \
            a += table[sixteen & 15]; \
            b += table[16 + (sixteen >> 4 & 15)]; \
            c += table[32 + (sixteen >> 8 & 15)]; \
            d += table[48 + (sixteen >> 12 & 15)]; \
        } \
        return (a + b) + (c + d); \
    }

TILE(int8_t)
TILE(lane)

#define MOST 512 /* neurons whose tables stay in a cache */

static inline void sum_tables(const network *net, const lane *u, const lane *drive, lane *sum)
{
    uint64_t fired[MOST / 64];
    for (int64_t j = 0; j < net->padded; j += 64)
        fired[j / 64] = fired_of(u + j, net->theta + j);
    if (net->tables_hold == 1)
        for (int64_t i = 0; i < net->padded; i += VECTOR) {
            const int8_t_tile part = int8_t_sum(net, i / VECTOR, fired);
#if defined(__AVX512BW__) && LANE_BITS == 16
            const __m512i low = _mm512_cvtepi8_epi16(_mm512_castsi512_si256((__m512i)part));
            const __m512i high = _mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64((__m512i)part, 1));
            _mm512_storeu_si512(sum + i, _mm512_add_epi16(low, _mm512_loadu_si512(drive + i)));
            _mm512_storeu_si512(sum + i + 32, _mm512_add_epi16(high, _mm512_loadu_si512(drive + i + 32)));
#else
            for (int k = 0; k < VECTOR; k++)
                sum[i + k] = (lane)(drive[i + k] + part[k]);
#endif
        }
    else
        for (int64_t i = 0; i < net->padded; i += VECTOR / (int64_t)sizeof(lane)) {
            const lane_tile part = lane_sum(net, i * (int64_t)sizeof(lane) / VECTOR, fired);
            *(lane_tile *)(sum + i) = part + *(const lane_tile *)(drive + i);
        }
}

/* By what each neuron that fires sends. */
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
static inline void step_one(const network *net, lane *restrict u, lane *restrict space, int64_t phase)
{
    const lane *drive = net->drive + phase * net->padded;
    if (net->tables_hold)
        sum_tables(net, u, drive, space);
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
    return VECTOR;
}
