#define _GNU_SOURCE
#include "hydra.h"
#include <stdlib.h>
#include <sys/mman.h>

#define LARGE_PAGE ((uintptr_t)2 << 20)
#define SMALL_PAGE ((uintptr_t)4 << 10)

static uintptr_t rounded_up(uintptr_t bytes, uintptr_t unit) {
    return (bytes + unit - 1) & ~(unit - 1);
}

void *hydra_allocate(int64_t bytes) {
    const uintptr_t kept = rounded_up(bytes, SMALL_PAGE), asked = kept + LARGE_PAGE;
    void *memory = mmap(0, asked, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 0;
    const uintptr_t start = (uintptr_t)memory, aligned = rounded_up(start, LARGE_PAGE);
    if (aligned > start) munmap(memory, aligned - start);
    if (start + asked > aligned + kept) munmap((void *)(aligned + kept), start + asked - aligned - kept);
    madvise((void *)aligned, kept, MADV_HUGEPAGE);
    return (void *)aligned;
}

void hydra_free(void *memory, int64_t bytes) {
    munmap(memory, rounded_up(bytes, SMALL_PAGE));
}
