#include "kernels.h"
#include <immintrin.h>
#include <float.h>
#include <math.h>

/*
 * What dev.hydrallm.quantization.FourBit.Expansion does, bit for bit. A multiplication that is fused with the addition after it
 * gives the same bits: the product of an int4 code and a scale of half precision is exact, and NF4 has the offset -0.
 */

#define LEVELS 16

INLINE uint32_t any_of_bytes(__m128i bits) {
    bits = _mm_or_si128(bits, _mm_unpackhi_epi64(bits, bits));
    uint64_t all = (uint64_t)_mm_cvtsi128_si64(bits);
    all |= all >> 32;
    all |= all >> 16;
    return (all | all >> 8) & 0xff;
}

/* Whether each code is among packed ones, a multiple of 16 bytes: a bit for each. */
__attribute__((target("arch=x86-64-v3"))) static uint32_t codes_among(const uint8_t *packed, int64_t bytes) {
    const __m128i low_bits = _mm_set_epi64x(0, 0x8040201008040201), high_bits = _mm_set_epi64x(0x8040201008040201, 0);
    const __m128i mask = _mm_set1_epi8(15);
    __m128i low = _mm_setzero_si128(), high = low;
    for (int64_t i = 0; i < bytes; i += 16) {
        const __m128i both = _mm_loadu_si128((const __m128i *)(packed + i));
        const __m128i first = _mm_and_si128(_mm_srli_epi16(both, 4), mask), second = _mm_and_si128(both, mask);
        low = _mm_or_si128(low, _mm_or_si128(_mm_shuffle_epi8(low_bits, first), _mm_shuffle_epi8(low_bits, second)));
        high = _mm_or_si128(high, _mm_or_si128(_mm_shuffle_epi8(high_bits, first), _mm_shuffle_epi8(high_bits, second)));
    }
    return any_of_bytes(low) | any_of_bytes(high) << 8;
}

/* The largest size of a row's weights; infinite or NaN if one of them is: without their signs numbers stand in the order of their
 * bits, and NaN behind all others. */
__attribute__((target("arch=x86-64-v3"))) static float largest_weight(
    const hydra_four_bits *m, const uint8_t *packed, const float *factors, const float *offsets) {
    const __m256i bits[2] = {_mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128),
                             _mm256_setr_epi32(1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15)};
    __m256i largest = _mm256_setzero_si256();
    for (int64_t group = 0; group < m->inputs / m->group; group++) {
        const __m256i found = _mm256_set1_epi32((int)codes_among(packed + group * m->group / 2, m->group / 2));
        for (int half = 0; half < 2; half++) {
            const __m256 products = _mm256_mul_ps(_mm256_loadu_ps(m->pattern + 8 * half), _mm256_set1_ps(factors[group]));
            const __m256 weights = _mm256_add_ps(products, _mm256_set1_ps(offsets[group]));
            const __m256i sizes = _mm256_and_si256(_mm256_castps_si256(weights), _mm256_set1_epi32(INT32_MAX));
            const __m256i is_there = _mm256_cmpeq_epi32(_mm256_and_si256(found, bits[half]), bits[half]);
            largest = _mm256_max_epi32(largest, _mm256_and_si256(sizes, is_there));
        }
    }
    float sizes[8];
    _mm256_storeu_si256((__m256i *)sizes, largest);
    return largest_size_of(sizes, 8);
}

/* Quotients from the nearest number to 1 / scale: one step that corrects them gives a division's own bits (Markstein, 1990). */
__attribute__((target("arch=x86-64-v3"))) INLINE __m256d divided(__m256d weights, __m256d scale, __m256d inverse) {
    const __m256d quotients = _mm256_mul_pd(weights, inverse);
    return _mm256_fmadd_pd(_mm256_fnmadd_pd(quotients, scale, weights), inverse, quotients);
}

/* A group's levels as int8 codes. */
__attribute__((target("arch=x86-64-v3"))) INLINE __m128i level_codes(
    const float *pattern, float factor, float offset, __m256d scale, __m256d inverse) {
    __m128i four[LEVELS / 4];
    for (int i = 0; i < LEVELS / 4; i++) {
        const __m128 products = _mm_mul_ps(_mm_loadu_ps(pattern + 4 * i), _mm_set1_ps(factor));
        const __m128 weights = _mm_add_ps(products, _mm_set1_ps(offset));
        four[i] = _mm256_cvtpd_epi32(divided(_mm256_cvtps_pd(weights), scale, inverse));
    }
    return _mm_packs_epi16(_mm_packs_epi32(four[0], four[1]), _mm_packs_epi32(four[2], four[3]));
}

__attribute__((target("arch=x86-64-v3"))) static void expand(
    const hydra_four_bits *m, const uint8_t *packed, const float *factors, const float *offsets, float scale, int8_t *codes) {
    const __m256i mask = _mm256_set1_epi8(15);
    const __m256d scales = _mm256_set1_pd(scale), inverses = _mm256_set1_pd(1 / (double)scale);
    for (int64_t i = 0; i < m->inputs;) {
        const int64_t group = i / m->group;
        const __m256i table =
            _mm256_broadcastsi128_si256(level_codes(m->pattern, factors[group], offsets[group], scales, inverses));
        for (const int64_t end = i + m->group; i < end; i += 32) {
            const __m256i bytes = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(packed + i / 2)));
            const __m256i both = _mm256_or_si256(_mm256_srli_epi16(bytes, 4), _mm256_slli_epi16(bytes, 8));
            const __m256i expanded = _mm256_shuffle_epi8(table, _mm256_and_si256(both, mask));
            _mm256_storeu_si256((__m256i *)(codes + i), expanded);
        }
    }
}

int32_t hydra_pack_four_bits(const hydra_four_bits *m, int8_t *codes, uint8_t *tiles, float *scales) {
    const int64_t groups = m->inputs / m->group;
    for (int64_t o = 0; o < m->outputs; o++) {
        const uint8_t *packed = m->codes + o * m->inputs / 2;
        const float *factors = m->factors + o * groups, *offsets = m->offsets + o * groups;
        const float largest = largest_weight(m, packed, factors, offsets);
        if (!isfinite(largest)) return 0;
        /* As dev.hydrallm.quantization.Int8.scale. */
        const float least = largest / 127 > FLT_MIN ? largest / 127 : FLT_MIN;
        scales[o] = largest == 0 ? 1 : least;
        const int64_t row = o % HYDRA_TILE;
        expand(m, packed, factors, offsets, scales[o], codes + row * m->inputs);
        if (row == HYDRA_TILE - 1 || o == m->outputs - 1)
            hydra_pack(codes, 0, (row + 1) * m->inputs, row + 1, m->inputs, tiles + (o - row) * m->inputs);
    }
    return 1;
}
