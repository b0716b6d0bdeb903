/* Weight codes: rounded and back, a row [K] of N at a time.
 *
 *   step [N], or one for all (stride 0)   low, high: ends of the codes, the first two of `ends`
 */
#include <math.h>
#include <stdint.h>

void encode(int64_t first, int64_t last, int64_t K, int64_t stride, const float *restrict weight,
            const float *restrict step, const float *restrict ends, float *restrict codes);
void through(int64_t first, int64_t last, int64_t K, int64_t stride, const float *restrict weight,
             const float *restrict step, const float *restrict ends, const float *restrict gcodes,
             float *restrict gweight);
void narrow(int64_t first, int64_t last, int64_t K, const float *restrict codes, int8_t *restrict bytes,
            int32_t *restrict sums);

/* codes = round(clamp(weight / step)), half to even; what is not a number stays so */
void encode(int64_t first, int64_t last, int64_t K, int64_t stride, const float *restrict weight,
            const float *restrict step, const float *restrict ends, float *restrict codes)
{
    const float low = ends[0], high = ends[1];
    for (int64_t n = first; n < last; n++) {
        const float s = step[n * stride];
        for (int64_t k = n * K; k < n * K + K; k++) { /* vectorized */
            const float x = weight[k] / s;
            const float y = x < low ? low : x;
            codes[k] = rintf(y > high ? high : y);
        }
    }
}

/* The gradient straight through the rounding: gcodes / step inside the range, 0 outside. */
void through(int64_t first, int64_t last, int64_t K, int64_t stride, const float *restrict weight,
             const float *restrict step, const float *restrict ends, const float *restrict gcodes,
             float *restrict gweight)
{
    const float low = ends[0], high = ends[1];
    for (int64_t n = first; n < last; n++) {
        const float s = step[n * stride];
        for (int64_t k = n * K; k < n * K + K; k++) { /* vectorized */
            const float x = weight[k] / s, g = gcodes[k] / s;
            gweight[k] = (x >= low) & (x <= high) ? g : 0.0f;
        }
    }
}

/* Codes as bytes, and each row's sum of magnitudes. */
void narrow(int64_t first, int64_t last, int64_t K, const float *restrict codes, int8_t *restrict bytes,
            int32_t *restrict sums)
{
    for (int64_t n = first; n < last; n++) {
        int32_t sum = 0;
        for (int64_t k = n * K; k < n * K + K; k++) { /* vectorized */
            const int32_t c = (int32_t)codes[k];
            bytes[k] = (int8_t)c;
            sum += c < 0 ? -c : c;
        }
        sums[n] = sum;
    }
}
