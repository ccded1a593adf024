#include "kernels.h"

static int32_t limit = INT32_MAX;

int32_t hydra_level(void) {
    if (__builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512vnni")) return 2;
    return __builtin_cpu_supports("x86-64-v3") ? 1 : 0;
}

void hydra_limit(int32_t level) {
    limit = level;
}

int kernel_level(void) {
    return (int)at_most(limit, hydra_level());
}
