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
#ifdef __clang__
#define APART static __attribute__((noinline))
#else
#define APART static __attribute__((noipa)) /* or gcc asks for the address of thread-local memory inside of loops */
#endif
#define UP(n, d) (((n) + (d)-1) / (d))
#define LESS(a, b) ((a) < (b) ? (a) : (b))
#define MORE(a, b) ((a) > (b) ? (a) : (b))

typedef int32_t vec __attribute__((vector_size(BYTES)));
typedef int16_t vec_16 __attribute__((vector_size(BYTES)));
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

/* Weight codes at p as lanes of 16 or 32 bits; compilers widen a whole register in several steps. */
INLINE vec_16 codes_16(const int8_t *p)
{
#if BYTES == 64
    return (vec_16)_mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)p));
#elif BYTES == 32
    return (vec_16)_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
#else
    int8_t c __attribute__((vector_size(BYTES / 2)));
    memcpy(&c, p, sizeof c);
    return __builtin_convertvector(c, vec_16);
#endif
}

INLINE vec codes_32(const int8_t *p)
{
#if BYTES == 64
    return (vec)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p));
#elif BYTES == 32
    return (vec)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p));
#else
    int8_t c __attribute__((vector_size(BYTES / 4)));
    memcpy(&c, p, sizeof c);
    return __builtin_convertvector(c, vec);
#endif
}

/* Indices of the nonzero bytes of x, in order; returns how many. Writes up to 16 past them. */
INLINE int nonzero_indices(const uint8_t *x, int count, uint32_t *index)
{
    int n = 0, i = 0;
#if defined(__AVX512VBMI2__) && defined(__AVX512BW__) && !defined(PLAIN)
    /* no branch depends on a single input, because such a branch is mispredicted */
    const __m512i places = _mm512_set_epi8(
        63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35,
        34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5,
        4, 3, 2, 1, 0);
    for (; i < count; i += 64) {
        const __mmask64 inside = count - i < 64 ? (1ull << (count - i)) - 1 : ~0ull;
        const __m512i v = _mm512_maskz_loadu_epi8(inside, x + i);
        const __mmask64 some = _mm512_test_epi8_mask(v, v);
        const int found = __builtin_popcountll(some);
        __m512i at = _mm512_maskz_compress_epi8(some, places);
        for (int k = 0; k < found; k += 16) {
            _mm512_storeu_si512(index + n + k, _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm512_castsi512_si128(at)),
                                                                _mm512_set1_epi32(i)));
            at = _mm512_alignr_epi32(at, at, 4);
        }
        n += found;
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
    int64_t n = 0, i = 0;
#if defined(__AVX512BW__) && !defined(PLAIN)
    for (; i + 64 <= count; i += 64) {
        const __m512i v = _mm512_loadu_si512(x + i);
        n += __builtin_popcountll(_mm512_test_epi8_mask(v, v));
    }
#endif
    while (i < count) { /* short runs, so that the sums of lanes stay bytes */
        const int64_t stop = LESS(count, i + 255);
        uint8_t some = 0;
        for (; i < stop; i++)
            some = (uint8_t)(some + (x[i] != 0));
        n += some;
    }
    return n;
}

/* One bit for each group of inputs: whether any of them is nonzero. Returns how many are; reads whole words of 64. */
INLINE int64_t group_bits(const unit *x, int64_t groups, uint64_t *bits)
{
    int64_t n = 0;
    for (int64_t i = 0; i < groups; i += 64) {
        uint64_t word = 0;
        for (int k = 0; k < 64; k += LANES) {
            const vec v = vec_load(x + (i + k) * GROUP);
#if BYTES == 64
            word |= (uint64_t)_mm512_test_epi32_mask((__m512i)v, (__m512i)v) << k;
#elif BYTES == 32
            const __m256i zero = _mm256_cmpeq_epi32((__m256i)v, _mm256_setzero_si256());
            word |= (uint64_t)(~_mm256_movemask_ps(_mm256_castsi256_ps(zero)) & 0xff) << k;
#else
            for (int l = 0; l < LANES; l++)
                word |= (uint64_t)(v[l] != 0) << (k + l);
#endif
        }
        bits[i / 64] = word;
        n += __builtin_popcountll(word);
    }
    return n;
}

/* 32 bits from any place of an array of words. */
INLINE uint32_t bits_at(const uint64_t *bits, int64_t place)
{
    const int64_t word = place / 64, shift = place % 64;
    return (uint32_t)(bits[word] >> shift | bits[word + 1] << 1 << (63 - shift));
}

/* Places of the ones of a word, counted from `base`, in order; returns how many. Writes up to 32. */
INLINE int places_of(uint32_t ones, int base, uint16_t *place)
{
#if defined(__AVX512VBMI2__) && defined(__AVX512BW__) && !defined(PLAIN)
    /* no branch depends on an input, because such a branch is mispredicted */
    const __m512i all = _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11,
                                         10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    _mm512_storeu_si512(place, _mm512_maskz_compress_epi16(ones, _mm512_add_epi16(all, _mm512_set1_epi16((int16_t)base))));
    return __builtin_popcount(ones);
#else
    int n = 0;
    for (; ones; ones &= ones - 1)
        place[n++] = (uint16_t)(base + __builtin_ctz(ones));
    return n;
#endif
}
