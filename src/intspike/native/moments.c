/* Sums and sums of squares of each channel, in double: what batch statistics are made of.
 *
 *   y [N, C]   sums [2, C]; rows first..last - 1 are added in order.
 */
#include <stdint.h>

void moments(int64_t first, int64_t last, int64_t C, const Y *restrict y, double *restrict sums);

void moments(int64_t first, int64_t last, int64_t C, const Y *restrict y, double *restrict sums)
{
    double *restrict squares = sums + C;
    for (int64_t n = first; n < last; n++) {
        const Y *restrict row = y + n * C;
        for (int64_t c = 0; c < C; c++) {
            const double v = (double)row[c];
            sums[c] += v;
            squares[c] += v * v;
        }
    }
}
