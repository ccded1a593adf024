#include "fourbits.h"

#define AVX512 __attribute__((target("arch=x86-64-v4")))

/* From here on what is left of a weight, less a multiple of half a scale, has all its bits in single precision. */
#define SMALLEST_SCALE 0x1p-100f

/* Rows whose tables of levels stand in one register, and how many such registers there are. */
#define LANES 4

int expands_wide(const uint8_t *out, const float *scales) {
    if ((uintptr_t)out % sizeof(__m512i)) return 0;
    for (int row = 0; row < MOST; row++)
        if (!(scales[row] >= SMALLEST_SCALE)) return 0;
    return kernel_level() == 2;
}

/*
 * A group's levels, divided by the scale and rounded, halves to the even one. The quotient tells between which two whole numbers
 * the level is or, where it is as good as one of them, which neighbour to ask; on which side of their middle it is, the weight
 * less the middle times the scale tells, whose sign is exact after one rounding.
 */
AVX512 INLINE __m128i wide_level_codes(__m512 pattern, float factor, float offset, __m512 scale, __m512 inverse) {
    const __m512i one = _mm512_set1_epi32(1);
    const __m512 weights = _mm512_add_ps(_mm512_mul_ps(pattern, _mm512_set1_ps(factor)), _mm512_set1_ps(offset));
    const __m512 below = _mm512_roundscale_ps(_mm512_mul_ps(weights, inverse), _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    const __m512 rests = _mm512_fnmadd_ps(_mm512_add_ps(below, _mm512_set1_ps(0.5f)), scale, weights);
    const __m512i codes = _mm512_cvtps_epi32(below);
    /* A rest's bits are a number above zero if it is above zero, and so is zero with an odd code's last bit. */
    const __m512i signs = _mm512_add_epi32(_mm512_castps_si512(rests), _mm512_and_si512(codes, one));
    const __mmask16 is_above = _mm512_cmpgt_epi32_mask(signs, _mm512_setzero_si512());
    return biased(_mm512_cvtepi32_epi8(_mm512_mask_add_epi32(codes, is_above, codes, one)));
}

/* INPUTS packed codes of every fourth row: one in each lane. */
AVX512 INLINE __m512i every_fourth_row(const uint8_t *packed, int64_t bytes) {
    __m512i rows = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)packed));
#pragma GCC unroll 4
    for (int lane = 1; lane < LANES; lane++) {
        const __m128i row = _mm_loadu_si128((const __m128i *)(packed + lane * LANES * bytes));
        rows = _mm512_mask_broadcast_i32x4(rows, (__mmask16)(0xf << 4 * lane), row);
    }
    return rows;
}

/* Four quads of MOST rows, every fourth row in a register: cache lines of the tile, which go past the cache, for nobody reads them
 * soon and it would fetch what is overwritten. */
AVX512 INLINE void write_quads(const __m512i r[LANES], uint8_t *out) {
    const __m512i low = _mm512_unpacklo_epi32(r[0], r[1]), low_next = _mm512_unpacklo_epi32(r[2], r[3]);
    const __m512i high = _mm512_unpackhi_epi32(r[0], r[1]), high_next = _mm512_unpackhi_epi32(r[2], r[3]);
    _mm512_stream_si512((__m512i *)out, _mm512_unpacklo_epi64(low, low_next));
    _mm512_stream_si512((__m512i *)(out + QUADS_APART), _mm512_unpackhi_epi64(low, low_next));
    _mm512_stream_si512((__m512i *)(out + 2 * QUADS_APART), _mm512_unpacklo_epi64(high, high_next));
    _mm512_stream_si512((__m512i *)(out + 3 * QUADS_APART), _mm512_unpackhi_epi64(high, high_next));
}

/* INPUTS inputs of all rows; levels: those of every fourth row together. */
AVX512 INLINE void expand_block(const uint8_t *packed, int64_t bytes, const __m512i *levels, uint8_t *out) {
    const __m512i mask = _mm512_set1_epi8(15);
    __m512i first[LANES], second[LANES];
#pragma GCC unroll 4
    for (int i = 0; i < LANES; i++) {
        const __m512i both = every_fourth_row(packed + i * bytes, bytes);
        const __m512i even = _mm512_shuffle_epi8(levels[i], _mm512_and_si512(_mm512_srli_epi16(both, 4), mask));
        const __m512i odd = _mm512_shuffle_epi8(levels[i], _mm512_and_si512(both, mask));
        first[i] = _mm512_unpacklo_epi8(even, odd);
        second[i] = _mm512_unpackhi_epi8(even, odd);
    }
    write_quads(first, out);
    write_quads(second, out + LANES * QUADS_APART);
}

AVX512 void expand_wide(const hydra_four_bits *m, const uint8_t *packed, int64_t row, uint8_t *out, const float *scales) {
    const int64_t bytes = m->inputs / 2, count = m->inputs / m->group;
    const __m512 pattern = _mm512_loadu_ps(m->pattern);
    for (int64_t from = 0; from < count; from += GROUPS) {
        const int64_t now = at_most(GROUPS, count - from);
        __m512i levels[GROUPS][LANES];
        for (int r = 0; r < MOST; r++) {
            const groups g = groups_of(m, row + r, from);
            const __m512 scale = _mm512_set1_ps(scales[r]), inverse = _mm512_set1_ps(1 / scales[r]);
            for (int64_t i = 0; i < now; i++) {
                const __m128i codes = wide_level_codes(pattern, g.factors[i], g.offsets[i], scale, inverse);
                _mm_store_si128((__m128i *)(levels[i] + r % LANES) + r / LANES, codes);
            }
        }
        for (int64_t i = from * m->group; i < (from + now) * m->group; i += INPUTS) {
            if (i % CACHE_LINE_CODES == 0) /* Of the next rows groups are looked at here and there. */
                for (int r = 0; r < MOST; r++) _mm_prefetch(packed + (MOST + r) * bytes + i / 2, _MM_HINT_T0);
            expand_block(packed + i / 2, bytes, levels[i / m->group - from], out + i / QUAD * QUADS_APART);
        }
    }
    _mm_sfence(); /* Whoever hears of this from here on sees it. */
}
