#include "kernels.h"
#include <immintrin.h>
#include <float.h>
#include <math.h>

/*
 * What dev.hydrallm.quantization.FourBit.Expansion does, bit for bit. A multiplication that is fused with the addition after it
 * gives the same bits: the product of an int4 code and a scale of half precision is exact, and NF4 has the offset -0.
 */

#define LEVELS 16

/* Whether each code is among packed ones: a bit for each. */
static uint32_t codes_among(const uint8_t *packed, int64_t bytes) {
    uint32_t found = 0;
    for (int64_t i = 0; i < bytes; i++) found |= 1u << (packed[i] & 15) | 1u << (packed[i] >> 4);
    return found;
}

/* The largest size of a row's weights; infinite or NaN if one of them is. */
__attribute__((target("arch=x86-64-v3"))) static float largest_weight(
    const hydra_four_bits *m, const uint8_t *packed, const float *factors, const float *offsets) {
    float largest = 0;
    for (int64_t group = 0; group < m->inputs / m->group; group++) {
        const float factor = factors[group], offset = offsets[group];
        const float first = fabsf(m->pattern[0] * factor + offset), last = fabsf(m->pattern[LEVELS - 1] * factor + offset);
        if (first <= largest && last <= largest) continue;
        const uint32_t found = codes_among(packed + group * m->group / 2, m->group / 2);
        for (int code = 0; code < LEVELS; code++) {
            const float weight = fabsf(m->pattern[code] * factor + offset);
            if (!(found >> code & 1) || weight <= largest) continue;
            largest = weight;
            if (!isfinite(largest)) return largest;
        }
    }
    return largest;
}

/* A group's levels as int8 codes. */
__attribute__((target("arch=x86-64-v3"))) INLINE __m128i level_codes(
    const float *pattern, float factor, float offset, float scale) {
    __m128i four[LEVELS / 4];
    for (int i = 0; i < LEVELS / 4; i++) {
        const __m128 products = _mm_mul_ps(_mm_loadu_ps(pattern + 4 * i), _mm_set1_ps(factor));
        const __m128 weights = _mm_add_ps(products, _mm_set1_ps(offset));
        four[i] = _mm256_cvtpd_epi32(_mm256_div_pd(_mm256_cvtps_pd(weights), _mm256_set1_pd(scale)));
    }
    return _mm_packs_epi16(_mm_packs_epi32(four[0], four[1]), _mm_packs_epi32(four[2], four[3]));
}

__attribute__((target("arch=x86-64-v3"))) static void expand(
    const hydra_four_bits *m, const uint8_t *packed, const float *factors, const float *offsets, float scale, int8_t *codes) {
    const __m256i mask = _mm256_set1_epi8(15);
    for (int64_t i = 0; i < m->inputs;) {
        const int64_t group = i / m->group;
        const __m256i table =
            _mm256_broadcastsi128_si256(level_codes(m->pattern, factors[group], offsets[group], scale));
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
