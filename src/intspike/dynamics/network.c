/* A network that drives itself, as many states at once or one alone move through it. Behind a generated head, which
   defines `lane`, an integer that holds every value of a timestep. */

#if defined(__AVX512F__)
#define PLANE 64 /* bytes: those of a register */
#elif defined(__AVX2__)
#define PLANE 32
#else
#define PLANE 16
#endif
typedef uint64_t plane __attribute__((vector_size(PLANE), may_alias));
#define ALL_ZEROS ((plane){0})
#define ALL_ONES (~ALL_ZEROS)

/* A gate of three inputs: bit 4 a + 2 b + c of the table. */
#ifdef __AVX512F__
#include <immintrin.h>
#define gate(a, b, c, table) ((plane)_mm512_ternarylogic_epi64((__m512i)(a), (__m512i)(b), (__m512i)(c), table))
#else
#define ENTRY(k) (ALL_ZEROS - (uint64_t)(table >> (k) & 1))

static inline __attribute__((always_inline)) plane gate(plane a, plane b, plane c, int table)
{
    if (table == 0x96)
        return a ^ b ^ c;
    if (table == 0xe8)
        return (a & b) | (c & (a | b));
    const plane without = (ENTRY(0) & ~b & ~c) | (ENTRY(1) & ~b & c) | (ENTRY(2) & b & ~c) | (ENTRY(3) & b & c);
    const plane with = (ENTRY(4) & ~b & ~c) | (ENTRY(5) & ~b & c) | (ENTRY(6) & b & ~c) | (ENTRY(7) & b & c);
    return (a & with) | (~a & without);
}
#endif

typedef struct {
    int64_t n, padded, phases;
    /* for many states */
    const uint32_t *senders;  /* who sends to each neuron, plane by plane: see planes.c */
    const uint64_t *begins;   /* [P, N, CURRENT]: planes of what a neuron receives from nobody */
    const uint64_t *theta_planes, *reset_planes; /* [N, THETA] */
    int64_t carries;          /* the most of a neuron's sum */
    /* for one */
    const void *tables;       /* [padded / T, N / 4, 16, T]: what every four neurons send to T, a vector, by which fire */
    int64_t tables_hold;      /* bytes of a sum there: 1 or those of a lane; 0: there are no tables, but */
    const lane *columns;      /* [N, padded], row j holds what j sends */
    const lane *drive;        /* [P, padded] */
    const lane *theta, *reset;
} network;

