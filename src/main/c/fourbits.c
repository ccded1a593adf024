#include "fourbits.h"
#include <float.h>

/*
 * What dev.hydrallm.quantization.FourBit.Expansion does, bit for bit. A multiplication that is fused with the addition after it
 * gives the same bits: the product of an int4 code and a scale of half precision is exact, and NF4 has the offset -0.
 */

/* Sizes as whole numbers: without their signs numbers stand in the order of their bits, and NaN behind all others. */
AVX2 INLINE __m256i sizes_of(__m256 pattern, __m256 factors, __m256 offsets) {
    const __m256 weights = _mm256_add_ps(_mm256_mul_ps(pattern, factors), offsets);
    return _mm256_and_si256(_mm256_castps_si256(weights), _mm256_set1_epi32(INT32_MAX));
}

AVX2 INLINE int32_t largest_of_eight(__m256i sizes) {
    __m128i largest = _mm_max_epi32(_mm256_castsi256_si128(sizes), _mm256_extracti128_si256(sizes, 1));
    largest = _mm_max_epi32(largest, _mm_shuffle_epi32(largest, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(largest, _mm_shuffle_epi32(largest, 0xb1)));
}

INLINE uint32_t any_of_bytes(__m128i bits) {
    bits = _mm_or_si128(bits, _mm_unpackhi_epi64(bits, bits));
    uint64_t all = (uint64_t)_mm_cvtsi128_si64(bits);
    all |= all >> 32;
    all |= all >> 16;
    return (all | all >> 8) & 0xff;
}

/* Whether each code is among packed ones, a multiple of 16 bytes: a bit for each. */
AVX2 static uint32_t codes_among(const uint8_t *packed, int64_t bytes) {
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

/* The largest size of a group's weights. */
AVX2 static int32_t largest_of_group(const hydra_four_bits *m, const uint8_t *packed, float factor, float offset) {
    const __m256i bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const uint32_t found = codes_among(packed, m->group / 2);
    __m256i sizes[2];
    for (int half = 0; half < 2; half++) {
        const __m256 pattern = _mm256_loadu_ps(m->pattern + 8 * half);
        const __m256i own = _mm256_and_si256(bits, _mm256_set1_epi32((int)(found >> 8 * half)));
        const __m256i is_there = _mm256_cmpeq_epi32(own, bits);
        sizes[half] = _mm256_and_si256(is_there, sizes_of(pattern, _mm256_set1_ps(factor), _mm256_set1_ps(offset)));
    }
    return largest_of_eight(_mm256_max_epi32(sizes[0], sizes[1]));
}

/* What no weight of a group is larger than, for some groups: their largest level is the first or the last one. */
AVX2 INLINE __m256i bounds_of(const hydra_four_bits *m, const groups *g) {
    const __m256 factors = _mm256_loadu_ps(g->factors), offsets = _mm256_loadu_ps(g->offsets);
    const __m256 least = _mm256_set1_ps(m->pattern[0]), most = _mm256_set1_ps(m->pattern[LEVELS - 1]);
    return _mm256_max_epi32(sizes_of(least, factors, offsets), sizes_of(most, factors, offsets));
}

/* The same as largest_of_row, of the groups that may have a weight above some size. */
AVX2 static int32_t largest_above(const hydra_four_bits *m, const uint8_t *packed, int64_t row, int32_t largest) {
    const int64_t count = m->inputs / m->group;
    for (int64_t first = 0; first < count; first += GROUPS) {
        const groups g = groups_of(m, row, first);
        const __m256i above = _mm256_cmpgt_epi32(bounds_of(m, &g), _mm256_set1_epi32(largest));
        uint32_t left = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(above)) & ((1u << at_most(GROUPS, count - first)) - 1);
        for (; left; left &= left - 1) {
            const int i = __builtin_ctz(left);
            const int32_t own = largest_of_group(m, packed + (first + i) * m->group / 2, g.factors[i], g.offsets[i]);
            largest = own > largest ? own : largest;
        }
    }
    return largest;
}

/* The largest size of a row's weights; infinite or NaN if one of them is. The group that may have it is looked at first: mostly it
 * has, and the others cannot have a larger one. */
AVX2 INLINE float largest_of_row(const hydra_four_bits *m, const uint8_t *packed, int64_t row) {
    const __m256i eight = _mm256_set1_epi32(GROUPS);
    __m256i most = _mm256_set1_epi32(-1), places = _mm256_setzero_si256();
    __m256i here = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const int64_t count = m->inputs / m->group;
    for (int64_t first = 0; first < count; first += GROUPS, here = _mm256_add_epi32(here, eight)) {
        const groups g = groups_of(m, row, first);
        const __m256i bounds = bounds_of(m, &g), is_there = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), here);
        const __m256i is_more = _mm256_and_si256(_mm256_cmpgt_epi32(bounds, most), is_there);
        most = _mm256_blendv_epi8(most, bounds, is_more);
        places = _mm256_blendv_epi8(places, here, is_more);
    }
    const int32_t bound = largest_of_eight(most);
    const __m256i has_it = _mm256_cmpeq_epi32(most, _mm256_set1_epi32(bound));
    int32_t place[GROUPS];
    _mm256_storeu_si256((__m256i *)place, places);
    const int64_t i = place[__builtin_ctz((uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(has_it)))];
    const groups g = groups_of(m, row, i / GROUPS * GROUPS);
    int32_t largest = largest_of_group(m, packed + i * m->group / 2, g.factors[i % GROUPS], g.offsets[i % GROUPS]);
    if (largest < bound) largest = largest_above(m, packed, row, largest);
    float size;
    memcpy(&size, &largest, sizeof size);
    return size;
}

/* As dev.hydrallm.quantization.Int8.scale; what is not finite stays so. */
INLINE float scale_of(float largest) {
    const float scale = largest / 127;
    return largest == 0 ? 1 : scale < FLT_MIN ? FLT_MIN : scale;
}

/* Quotients from the nearest number to 1 / scale: one step that corrects them gives a division's own bits (Markstein, 1990). */
AVX2 INLINE __m256d divided(__m256d weights, __m256d scale, __m256d inverse) {
    const __m256d quotients = _mm256_mul_pd(weights, inverse);
    return _mm256_fmadd_pd(_mm256_fnmadd_pd(quotients, scale, weights), inverse, quotients);
}

/* A group's levels, divided by the scale and rounded. */
AVX2 INLINE __m128i level_codes(const float *pattern, float factor, float offset, __m256d scale, __m256d inverse) {
    __m128i four[LEVELS / 4];
    for (int i = 0; i < LEVELS / 4; i++) {
        const __m128 products = _mm_mul_ps(_mm_loadu_ps(pattern + 4 * i), _mm_set1_ps(factor));
        const __m128 weights = _mm_add_ps(products, _mm_set1_ps(offset));
        four[i] = _mm256_cvtpd_epi32(divided(_mm256_cvtps_pd(weights), scale, inverse));
    }
    return biased(_mm_packs_epi16(_mm_packs_epi32(four[0], four[1]), _mm_packs_epi32(four[2], four[3])));
}

/* The same in single precision where that is sure to be the same: a quotient of at most 127 is less than 2^-16 from the exact one,
 * and few are as near to the middle of two whole numbers. */
AVX2 INLINE __m128i quick_level_codes(const float *pattern, float factor, float offset, float scale, __m256 inverse) {
    __m256i eight[2];
    __m256 farthest = _mm256_setzero_ps();
    for (int i = 0; i < 2; i++) {
        const __m256 products = _mm256_mul_ps(_mm256_loadu_ps(pattern + 8 * i), _mm256_set1_ps(factor));
        const __m256 quotients = _mm256_mul_ps(_mm256_add_ps(products, _mm256_set1_ps(offset)), inverse);
        eight[i] = _mm256_cvtps_epi32(quotients);
        const __m256 rests = _mm256_sub_ps(quotients, _mm256_cvtepi32_ps(eight[i]));
        farthest = _mm256_max_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), rests), farthest);
    }
    if (_mm256_movemask_ps(_mm256_cmp_ps(farthest, _mm256_set1_ps(0.5f - 0x1p-15f), _CMP_GE_OQ)))
        return level_codes(pattern, factor, offset, _mm256_set1_pd(scale), _mm256_set1_pd(1 / (double)scale));
    const __m256i sixteen = _mm256_permute4x64_epi64(_mm256_packs_epi32(eight[0], eight[1]), 0xd8);
    return biased(_mm_packs_epi16(_mm256_castsi256_si128(sixteen), _mm256_extracti128_si256(sixteen, 1)));
}

/* The codes of INPUTS inputs. */
AVX2 INLINE __m256i expanded(const uint8_t *packed, const __m128i *levels) {
    const __m256i bytes = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)packed));
    const __m256i both = _mm256_or_si256(_mm256_srli_epi16(bytes, 4), _mm256_slli_epi16(bytes, 8));
    const __m256i table = _mm256_broadcastsi128_si256(_mm_load_si128(levels));
    return _mm256_shuffle_epi8(table, _mm256_and_si256(both, _mm256_set1_epi8(15)));
}

/* A row's next INPUTS codes. */
AVX2 INLINE void write_row(__m256i codes, uint8_t *out) {
    uint32_t quads[INPUTS / QUAD];
    _mm256_storeu_si256((__m256i *)quads, codes);
    for (int quad = 0; quad < INPUTS / QUAD; quad++) memcpy(out + quad * QUADS_APART, quads + quad, QUAD);
}

/* Once or twice ROWS rows, or one; packed: theirs. */
AVX2 INLINE void pack_rows(
    const hydra_four_bits *m, const uint8_t *packed, int64_t row, const int rows, uint8_t *tiles, float *scales) {
    uint8_t *out = row_of(tiles, row, m->inputs);
    const int64_t bytes = m->inputs / 2, count = m->inputs / m->group;
    for (int r = 0; r < rows; r++) scales[row + r] = scale_of(largest_of_row(m, packed + r * bytes, row + r));
    if (rows == MOST && expands_wide(out, scales + row)) {
        expand_wide(m, packed, row, out, scales + row);
        return;
    }
    for (int64_t first = 0; first < count; first += GROUPS) {
        const int64_t now = at_most(GROUPS, count - first);
        __m128i levels[GROUPS][MOST];
        for (int r = 0; r < rows; r++) {
            const groups g = groups_of(m, row + r, first);
            const __m256 inverse = _mm256_set1_ps(1 / scales[row + r]);
            for (int64_t i = 0; i < now; i++)
                levels[i][r] = quick_level_codes(m->pattern, g.factors[i], g.offsets[i], scales[row + r], inverse);
        }
        for (int64_t i = first * m->group; i < (first + now) * m->group; i += INPUTS) {
            const __m128i *of_group = levels[i / m->group - first];
            uint8_t *to = out + i / QUAD * QUADS_APART;
            if (i % CACHE_LINE_CODES == 0) /* Of the next rows groups are looked at here and there. */
                for (int r = 0; r < rows; r++) _mm_prefetch(packed + (rows + r) * bytes + i / 2, _MM_HINT_T0);
            if (rows == 1)
                write_row(expanded(packed + i / 2, of_group), to);
            else
                for (int r = 0; r < rows; r += ROWS) {
                    __m256i codes[ROWS];
                    for (int j = 0; j < ROWS; j++) codes[j] = expanded(packed + (r + j) * bytes + i / 2, of_group + r + j);
                    write_block(codes, to + r * QUAD);
                }
        }
    }
}

AVX2 void hydra_pack_four_bits(
    const hydra_four_bits *m, const uint8_t *codes, int64_t row, int64_t rows, uint8_t *tiles, float *scales) {
    const int64_t end = row + rows;
    for (int64_t now; row < end; row += now, codes += now * m->inputs / 2)
        if (row % MOST == 0 && end - row >= MOST)
            pack_rows(m, codes, row, now = MOST, tiles, scales);
        else if (row % ROWS == 0 && end - row >= ROWS)
            pack_rows(m, codes, row, now = ROWS, tiles, scales);
        else
            pack_rows(m, codes, row, now = 1, tiles, scales);
    if (end == m->outputs) pad_last_tile(m->outputs, m->inputs, tiles);
}
