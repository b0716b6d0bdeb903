/* How often each value occurs. Values at or above `bins`, negative ones among them, count in the last bin.

Eight tables take turns, because the next increment of one counter waits for the last one to be stored. */

#include <stdint.h>

#define HISTOGRAM(name, type) \
    void name(const type *values, int64_t count, int64_t bins, uint32_t *tables); \
    void name(const type *values, int64_t count, int64_t bins, uint32_t *tables) \
    { \
        const uint64_t last = (uint64_t)bins; \
        int64_t i = 0; \
        for (; i + 8 <= count; i += 8) \
            for (int k = 0; k < 8; k++) { \
                const uint64_t v = (uint64_t)values[i + k]; \
                tables[k * (bins + 1) + (int64_t)(v < last ? v : last)]++; \
            } \
        for (; i < count; i++) { \
            const uint64_t v = (uint64_t)values[i]; \
            tables[v < last ? v : last]++; \
        } \
    }

HISTOGRAM(histogram_u1, uint8_t)
HISTOGRAM(histogram_u2, uint16_t)
HISTOGRAM(histogram_u4, uint32_t)
HISTOGRAM(histogram_u8, uint64_t)
HISTOGRAM(histogram_i1, int8_t)
HISTOGRAM(histogram_i2, int16_t)
HISTOGRAM(histogram_i4, int32_t)
HISTOGRAM(histogram_i8, int64_t)
