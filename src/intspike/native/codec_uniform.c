/* Storing real membrane potentials in evenly spaced codes: each value becomes code * step.

FIRES says that theta and above is stored as theta plus the level of what a reset leaves; WRAPS that codes out of
range are taken modulo their number. `numbers` holds step, lowest and highest code, theta, the first code at or
above theta, and the number of codes. */

#include <math.h>
#include <stdint.h>

void quantize_uniform(int64_t first, int64_t last, const float *restrict u, float *restrict out,
                      const float *restrict numbers);
void inside_uniform(int64_t first, int64_t last, const float *restrict u, uint8_t *restrict inside,
                    const float *restrict numbers);

static inline float code_of(float v, float fired, const float *numbers)
{
    const float low = numbers[1], high = numbers[2], theta = numbers[3], above = numbers[4];
    float code = floorf((v - fired) / numbers[0] + 0.5f);
    (void)theta, (void)above, (void)low, (void)high;
#if !FIRES /* theta decides, whatever the division rounded */
    code = (v >= theta) & (code < above) ? above : code;
    code = (v < theta) & (code >= above) ? above - 1.0f : code;
#endif
#if WRAPS
    const float from = code - low;
    return from - floorf(from / numbers[5]) * numbers[5] + low;
#else
    code = code < low ? low : code;
    return code > high ? high : code;
#endif
}

void quantize_uniform(int64_t first, int64_t last, const float *restrict u, float *restrict out,
                      const float *restrict numbers)
{
    for (int64_t i = first; i < last; i++) { /* values */
        const float fired = FIRES && u[i] >= numbers[3] ? numbers[3] : 0.0f;
        out[i] = code_of(u[i], fired, numbers) * numbers[0] + fired;
    }
}

/* Whether each code is neither the lowest nor the highest. */
void inside_uniform(int64_t first, int64_t last, const float *restrict u, uint8_t *restrict inside,
                    const float *restrict numbers)
{
    for (int64_t i = first; i < last; i++) { /* inside */
        const float fired = FIRES && u[i] >= numbers[3] ? numbers[3] : 0.0f;
        const float code = code_of(u[i], fired, numbers);
        inside[i] = (uint8_t)((code > numbers[1]) & (code < numbers[2]));
    }
}
