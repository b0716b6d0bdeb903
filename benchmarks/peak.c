/* As many integer dot products as the processor can do: no memory, sums in registers, more of them than the latency
 * and the width of the pipelines ask for. Behind lanes.h of the synapse kernels, so it uses the same instruction. */
#define SUMS 16

int32_t peak(int64_t rounds);

int32_t peak(int64_t rounds)
{
    vec sum[SUMS], x = vec_all(0x01010101), w = vec_all(0x01020304);
    for (int k = 0; k < SUMS; k++)
        sum[k] = vec_all(k);
    for (int64_t r = 0; r < rounds; r++) {
        __asm__ volatile("" : "+v"(x), "+v"(w)); /* nothing is known of the factors: no work can be left out */
#pragma GCC unroll 16
        for (int k = 0; k < SUMS; k++)
            sum[k] = DOT(sum[k], x, w);
    }
    vec all = vec_all(0);
    for (int k = 0; k < SUMS; k++)
        all += sum[k];
    int32_t total = 0;
    for (int k = 0; k < LANES; k++)
        total += all[k];
    return total;
}

int32_t macs_a_round(void);

int32_t macs_a_round(void)
{
    return SUMS * LANES * GROUP;
}
