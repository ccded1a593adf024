/* What the expansions of 4-bit codes share. */
#pragma once
#include "tiles.h"
#include <string.h>

#define LEVELS 16

/* Codes in 64 bytes. */
#define CACHE_LINE_CODES 128

/* Groups whose levels are computed together. */
#define GROUPS 8

#define AVX2 __attribute__((target("arch=x86-64-v3")))

/* Factors and offsets of GROUPS groups. */
typedef struct {
    float factors[GROUPS];
    float offsets[GROUPS];
} groups;

/* Numbers from a place on, zeros behind the last one. */
AVX2 INLINE __m256 numbers_at(const void *numbers, int64_t width, int64_t place, int64_t count) {
    const uint8_t *from = (const uint8_t *)numbers + place * width;
    uint8_t rest[GROUPS * sizeof(float)] = {0};
    if (count < GROUPS) from = memcpy(rest, from, count * width);
    return width == sizeof(float) ? _mm256_loadu_ps((const float *)from) : _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from));
}

/* Those of a row's groups from one on. */
AVX2 INLINE groups groups_of(const hydra_four_bits *m, int64_t row, int64_t first) {
    const int64_t count = m->inputs / m->group, place = row * count + first;
    groups g;
    _mm256_storeu_ps(g.factors, numbers_at(m->factors, m->width, place, count - first));
    const __m256 none = _mm256_set1_ps(-0.0f);
    _mm256_storeu_ps(g.offsets, m->offsets ? numbers_at(m->offsets, m->width, place, count - first) : none);
    return g;
}

/* Codes as they stand in the tiles. */
AVX2 INLINE __m128i biased(__m128i codes) { return _mm_xor_si128(codes, _mm_set1_epi8((char)0x80)); }

/* Rows that are expanded together at most: a cache line of a tile has a quad of each. */
#define MOST (2 * ROWS)

/* Whether expand_wide can: on this processor, to such a place, with such scales. */
int expands_wide(const uint8_t *out, const float *scales);

/* MOST rows with AVX-512, bit for bit what AVX2 does; packed: theirs, scales: theirs, out: where their codes go. */
void expand_wide(const hydra_four_bits *m, const uint8_t *packed, int64_t row, uint8_t *out, const float *scales);
