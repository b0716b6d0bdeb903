/* Vectors that the synapse kernels share: LANES 32-bit sums, and a dot product of GROUP small integers in each lane.
 *
 * An input is uint8 (spikes or image codes), a weight int8; `unit` is an input and `weight` a weight as the dot
 * product wants them. Sums never saturate: dpbusd adds in 32 bits, and where it is missing inputs are widened to
 * 16 bits first. PLAIN leaves the instruction set to the compiler.
 */
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && !defined(PLAIN)
#include <immintrin.h>
#endif

#if defined(__AVX512VNNI__) && defined(__AVX512BW__) && !defined(PLAIN)
#define BYTES 64
#define GROUP 4
#define REGISTERS 24 /* sums that are kept in registers at a time, of 32 */
typedef uint8_t unit;
typedef int8_t weight;
#define DOT(sum, x, w) (vec)_mm512_dpbusd_epi32((__m512i)(sum), (__m512i)(x), (__m512i)(w))
#elif defined(__AVXVNNI__) && defined(__AVX2__) && !defined(PLAIN)
#define BYTES 32
#define GROUP 4
#define REGISTERS 12
typedef uint8_t unit;
typedef int8_t weight;
#define DOT(sum, x, w) (vec)_mm256_dpbusd_avx_epi32((__m256i)(sum), (__m256i)(x), (__m256i)(w))
#elif defined(__AVX512BW__) && !defined(PLAIN)
#define BYTES 64
#define GROUP 2
#define REGISTERS 24
typedef int16_t unit;
typedef int16_t weight;
#define DOT(sum, x, w) ((sum) + (vec)_mm512_madd_epi16((__m512i)(x), (__m512i)(w)))
#elif defined(__AVX2__) && !defined(PLAIN)
#define BYTES 32
#define GROUP 2
#define REGISTERS 12
typedef int16_t unit;
typedef int16_t weight;
#define DOT(sum, x, w) ((sum) + (vec)_mm256_madd_epi16((__m256i)(x), (__m256i)(w)))
#elif defined(__SSE2__) && !defined(PLAIN)
#define BYTES 16
#define GROUP 2
#define REGISTERS 12
typedef int16_t unit;
typedef int16_t weight;
#define DOT(sum, x, w) ((sum) + (vec)_mm_madd_epi16((__m128i)(x), (__m128i)(w)))
#else
#define BYTES 16
#define GROUP 1
#define REGISTERS 12
typedef int32_t unit;
typedef int32_t weight;
#define DOT(sum, x, w) ((sum) + (x) * (w))
#endif

#define LANES (BYTES / 4)
#define INLINE static inline __attribute__((always_inline, unused))
#define UP(n, d) (((n) + (d)-1) / (d))
#define LESS(a, b) ((a) < (b) ? (a) : (b))
#define MORE(a, b) ((a) > (b) ? (a) : (b))

typedef int32_t vec __attribute__((vector_size(BYTES)));
typedef int16_t half __attribute__((vector_size(BYTES / 2)));
typedef uint8_t quarter __attribute__((vector_size(BYTES / 4)));

INLINE vec vec_load(const void *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE vec vec_all(int32_t x)
{
    return (vec){0} + x;
}

/* The GROUP inputs at p in every lane. */
INLINE vec vec_inputs(const unit *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return vec_all(x);
}

/* The first `count` lanes as int32 or int16, and as bytes. */
INLINE void vec_store_32(int32_t *p, vec v, int count)
{
    memcpy(p, &v, 4 * (size_t)count);
}

INLINE void vec_store_16(int16_t *p, vec v, int count)
{
    const half h = __builtin_convertvector(v, half);
    memcpy(p, &h, 2 * (size_t)count);
}

INLINE void vec_store_8(uint8_t *p, vec v, int count)
{
    const quarter q = __builtin_convertvector(v, quarter);
    memcpy(p, &q, (size_t)count);
}

/* Indices of the nonzero bytes of x, in order; returns how many. Writes up to 8 past them. */
INLINE int nonzero_indices(const uint8_t *x, int count, uint32_t *index)
{
    int n = 0, i = 0;
#if defined(__AVX512BW__) && !defined(PLAIN)
    for (; i < count; i += 64) {
        const __mmask64 inside = count - i < 64 ? (1ull << (count - i)) - 1 : ~0ull;
        const __m512i v = _mm512_maskz_loadu_epi8(inside, x + i);
        for (uint64_t m = _mm512_test_epi8_mask(v, v); m; m &= m - 1)
            index[n++] = (uint32_t)(i + __builtin_ctzll(m));
    }
#else
    for (; i + 8 <= count; i += 8) {
        uint64_t word;
        memcpy(&word, x + i, 8);
        if (word)
            for (int j = 0; j < 8; j++) {
                index[n] = (uint32_t)(i + j);
                n += x[i + j] != 0;
            }
    }
    for (; i < count; i++) {
        index[n] = (uint32_t)i;
        n += x[i] != 0;
    }
#endif
    return n;
}

INLINE int64_t nonzeros(const uint8_t *x, int64_t count)
{
    int64_t n = 0;
    for (int64_t i = 0; i < count;) { /* short runs, so that bytes can count */
        const int64_t stop = LESS(count, i + 32 * 64);
        uint32_t some = 0;
        for (; i < stop; i++)
            some += x[i] != 0;
        n += some;
    }
    return n;
}
