#include "kernels.h"

/* Whether any of some numbers is above a bound. */
BOTH static int any_above(const float *row, int64_t count, float bound) {
    int above = 0;
    for (int64_t i = 0; i < count; i++) above |= row[i] > bound;
    return above;
}

void hydra_top(const float *row, int64_t count, int32_t *places, int64_t wanted) {
    int64_t found = 0;
    if (wanted == 0) return;
    for (int64_t block = 0; block < count; block += 256) {
        const int64_t end = at_most(count, block + 256);
        if (found == wanted && !any_above(row + block, end - block, row[places[found - 1]])) continue;
        for (int64_t i = block; i < end; i++) {
            if (found == wanted && !(row[i] > row[places[found - 1]])) continue;
            int64_t at = found < wanted ? found++ : found - 1;
            for (; at > 0 && row[i] > row[places[at - 1]]; at--) places[at] = places[at - 1];
            places[at] = (int32_t)i;
        }
    }
}

BOTH void hydra_softmax(float *row, int64_t count, float temperature) {
    const float largest = largest_of(row, count);
    v16 sum = {};
    int64_t i = 0;
    for (; count - i >= 16; i += 16) {
        const v16 distance = (load(row + i) - largest) / temperature;
        const v16 weight = weight_of(distance);
        store(row + i, weight);
        sum += weight;
    }
    float total = sum_of(sum);
    for (; i < count; i++) {
        row[i] = weight_of(all((row[i] - largest) / temperature))[0];
        total += row[i];
    }
    for (i = 0; i < count; i++) row[i] /= total;
}

/* Natural logarithm of positive numbers (Cephes' logf). */
INLINE v16 logarithm(v16 x) {
    i16 bits = (i16)x;
    i16 exponent = (bits >> 23) - 126;
    v16 m = (v16)((bits & 0x007fffff) | 0x3f000000); /* 0.5 to 1 */
    const i16 small = m < 0.70710678f;
    exponent += small;
    m = choose(small, m + m, m) - 1.0f;
    v16 p = m * 7.0376836292e-2f - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    const v16 square = m * m, e = __builtin_convertvector(exponent, v16);
    return e * 0.693359375f + (m + (square * m * p - 0.5f * square - e * 2.12194440e-4f));
}

BOTH float hydra_entropy(const float *p, int64_t count) {
    v16 sum = {};
    int64_t i = 0;
    for (; count - i >= 16; i += 16) sum += load(p + i) * logarithm(load(p + i) + 1e-5f);
    float total = sum_of(sum);
    for (; i < count; i++) total += p[i] * logarithm(all(p[i] + 1e-5f))[0];
    return -total;
}
