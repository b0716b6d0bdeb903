/* Storing real membrane potentials by a table: each value becomes the level that its code stands for.

BITS is the number n of bits; FIRES says that theta and above is stored as theta plus the level of what a reset leaves.
Up to 4 bits AVX-512 searches in registers. Elsewhere every boundary is compared: the bits of the level are the
exclusive or of the differences between neighbours, which takes no lookup and no branch, so that the loop becomes
vector instructions. Larger tables are searched by halves. */

#include <stdint.h>
#include <string.h>
#ifdef __AVX512F__
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("prefer-vector-width=512") /* half the gathers; narrower ones take 1.8 times as long */
#endif
#endif

#define BOUNDARIES ((1 << BITS) - 1)

void quantize_table(int64_t first, int64_t last, const float *restrict u, float *restrict out,
                    const float *restrict edges, const float *restrict levels,
                    const uint32_t *restrict differences, float theta, int32_t large);
void inside_table(int64_t first, int64_t last, const float *restrict u, uint8_t *restrict inside,
                  const float *restrict edges, float theta);

static inline float stored(float v, const float *edges, const float *levels, const uint32_t *differences,
                           float theta)
{
    const float fired = FIRES && v >= theta ? theta : 0.0f;
    const float x = v - fired;
    float level;
    (void)levels, (void)differences, (void)theta;
#if BITS <= 4
    uint32_t bits = differences[0];
    for (int j = 0; j < BOUNDARIES; j++)
        bits ^= (uint32_t)-(x >= edges[j]) & differences[j + 1];
    memcpy(&level, &bits, sizeof level);
#else
    int32_t code = 0;
    for (int k = BITS - 1; k >= 0; k--)
        code += (int32_t)(x >= edges[code + (1 << k) - 1]) << k;
    level = levels[code];
#endif
    return v == v ? level + fired : v;
}

#if defined(__AVX512F__) && BITS <= 4
/* Sixteen values at a time; returns where it stopped. */
static int64_t sixteens(int64_t i, int64_t last, const float *restrict u, float *restrict out,
                        const float *restrict edges, const float *restrict levels, float theta, int32_t large)
{
    float table[4][16]; /* in step k the code has its lower bits still at 0, so each step reads its own table */
    float padded[16];
    for (int k = 0; k < 4; k++)
        for (int c = 0; c < 16; c++) {
            const int j = c + (8 >> k) - 1;
            table[k][c] = j < BOUNDARIES ? edges[j] : __builtin_inff();
        }
    for (int c = 0; c < 16; c++)
        padded[c] = levels[c < BOUNDARIES ? c : BOUNDARIES];
    const __m512 level = _mm512_loadu_ps(padded), threshold = _mm512_set1_ps(theta);
    const __m512 t0 = _mm512_loadu_ps(table[0]), t1 = _mm512_loadu_ps(table[1]);
    const __m512 t2 = _mm512_loadu_ps(table[2]), t3 = _mm512_loadu_ps(table[3]);
    const __m512i eight = _mm512_set1_epi32(8), four = _mm512_set1_epi32(4);
    const __m512i two = _mm512_set1_epi32(2), one = _mm512_set1_epi32(1);
    (void)threshold;
    for (; i + 16 <= last; i += 16) {
        const __m512 v = _mm512_loadu_ps(u + i);
#if FIRES
        const __m512 fired = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(v, threshold, _CMP_GE_OQ), threshold);
        const __m512 x = _mm512_sub_ps(v, fired);
#else
        const __m512 x = v;
#endif
        __m512i code = _mm512_setzero_si512();
#define STEP(table, size) \
    code = _mm512_mask_or_epi32( \
        code, _mm512_cmp_ps_mask(x, _mm512_permutexvar_ps(code, table), _CMP_GE_OQ), code, size);
        STEP(t0, eight)
        STEP(t1, four)
        STEP(t2, two)
        STEP(t3, one)
        __m512 r = _mm512_permutexvar_ps(code, level);
#if FIRES
        r = _mm512_add_ps(r, fired);
#endif
        r = _mm512_mask_mov_ps(r, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), v);
        if (large) /* past the caches: what is written need not be read first */
            _mm512_stream_ps(out + i, r);
        else
            _mm512_storeu_ps(out + i, r);
    }
    if (large)
        _mm_sfence();
    return i;
}
#endif

/* Values first..last - 1 of u; `large` says that the result fits in no cache. */
void quantize_table(int64_t first, int64_t last, const float *restrict u, float *restrict out,
                    const float *restrict edges, const float *restrict levels,
                    const uint32_t *restrict differences, float theta, int32_t large)
{
    int64_t i = first;
    (void)large;
#if defined(__AVX512F__) && BITS <= 4
    for (; i < last && large && ((uintptr_t)(out + i) & 63); i++)
        out[i] = stored(u[i], edges, levels, differences, theta);
    i = sixteens(i, last, u, out, edges, levels, theta, large);
#endif
    for (; i < last; i++) /* values */
        out[i] = stored(u[i], edges, levels, differences, theta);
}

/* Whether each code is neither the lowest nor the highest. */
void inside_table(int64_t first, int64_t last, const float *restrict u, uint8_t *restrict inside,
                  const float *restrict edges, float theta)
{
    const float low = edges[0], high = edges[BOUNDARIES - 1];
    (void)theta;
    for (int64_t i = first; i < last; i++) { /* inside */
        const float x = u[i] - (FIRES && u[i] >= theta ? theta : 0.0f);
        inside[i] = (uint8_t)((x >= low) & (x < high));
    }
}
