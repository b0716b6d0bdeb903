/* A map of 0..size-1 to itself as a graph: trees are stripped leaf by leaf, what remains are the cycles, and labels go
   back up the trees in the reverse order. Reads far apart are fetched ahead. */

#include <stdint.h>

#define AHEAD 24

/* How many states lead to each. */
void in_degrees(int64_t size, const uint32_t *next, uint32_t *degree)
{
    for (int64_t v = 0; v < size; v++)
        degree[v] = 0;
    for (int64_t v = 0; v < size; v++)
        degree[next[v]]++;
}

/* States off every cycle, leaves first, each before its successor; degree keeps 1 on cycles alone. Returns how many. */
int64_t strip(int64_t size, const uint32_t *next, uint32_t *degree, uint32_t *order)
{
    int64_t count = 0;
    for (int64_t v = 0; v < size; v++)
        if (!degree[v])
            order[count++] = (uint32_t)v;
    for (int64_t k = 0; k < count; k++) {
        if (k + 2 * AHEAD < count)
            __builtin_prefetch(&next[order[k + 2 * AHEAD]]);
        if (k + AHEAD < count)
            __builtin_prefetch(&degree[next[order[k + AHEAD]]], 1);
        const uint32_t u = next[order[k]];
        if (--degree[u] == 0)
            order[count++] = u;
    }
    return count;
}

/* Numbers the cycles in the order of their least state: degree becomes the label of what lies on one, transient 0.
   Returns how many there are. */
int64_t cycles(int64_t size, const uint32_t *next, uint32_t *degree, uint32_t *transient)
{
    int64_t count = 0;
    for (int64_t v = 0; v < size; v++)
        transient[v] = UINT32_MAX;
    for (int64_t v = 0; v < size; v++) {
        if (!degree[v] || transient[v] != UINT32_MAX)
            continue;
        for (uint32_t u = (uint32_t)v; transient[u]; u = next[u]) {
            transient[u] = 0;
            degree[u] = (uint32_t)count;
        }
        count++;
    }
    return count;
}

/* Label and transient of what was stripped, from its successor's. A cycle's label 0 is told from none by the order. */
void climb(int64_t count, const uint32_t *next, const uint32_t *order, uint32_t *label, uint32_t *transient)
{
    for (int64_t k = count - 1; k >= 0; k--) {
        if (k >= 2 * AHEAD)
            __builtin_prefetch(&next[order[k - 2 * AHEAD]]);
        if (k >= AHEAD) {
            const uint32_t far = next[order[k - AHEAD]];
            __builtin_prefetch(&label[far]);
            __builtin_prefetch(&transient[far]);
            __builtin_prefetch(&label[order[k - AHEAD]], 1);
            __builtin_prefetch(&transient[order[k - AHEAD]], 1);
        }
        const uint32_t v = order[k], u = next[v];
        label[v] = label[u];
        transient[v] = transient[u] + 1;
    }
}

/* Of each cycle: its least state, its length, its basin (itself included) and the longest transient into it. */
void describe(
    int64_t size, const uint32_t *label, const uint32_t *transient, int64_t *least, int64_t *period, int64_t *basin,
    int64_t *longest)
{
    for (int64_t v = 0; v < size; v++) {
        const uint32_t k = label[v], t = transient[v];
        if (!t && !period[k]++)
            least[k] = v;
        basin[k]++;
        if (t > longest[k])
            longest[k] = t;
    }
}
