/* Bit planes, and the gates that a generated circuit of them is made of. Behind vectors.c. */

typedef uint64_t plane __attribute__((vector_size(VECTOR), may_alias));
#define ALL_ZEROS ((plane){0})
#define ALL_ONES (~ALL_ZEROS)

/* A gate of three inputs: bit 4 a + 2 b + c of the table. */
#ifdef __AVX512F__
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

