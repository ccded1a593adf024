/* How packed matrices lie in memory, for what packs them; see hydra_pack. */
#pragma once
#include "kernels.h"
#include <immintrin.h>

/* Rows and inputs that are transposed at a time. */
#define ROWS 8
#define INPUTS 32

/* Four inputs of each output stand together. */
#define QUAD 4
#define QUADS_APART (HYDRA_TILE * QUAD)

/* Where a row's codes go. */
INLINE uint8_t *row_of(uint8_t *tiles, int64_t row, int64_t inputs) {
    return tiles + row / HYDRA_TILE * HYDRA_TILE * padded(inputs, QUAD) + row % HYDRA_TILE * QUAD;
}

/* ROWS rows by INPUTS inputs, as the tiles hold them: vectors of quads, turned over. */
__attribute__((target("arch=x86-64-v3"))) INLINE void write_block(const __m256i r[ROWS], uint8_t *out) {
    __m256i pairs[ROWS], fours[ROWS];
    for (int i = 0; i < ROWS; i += 2) {
        pairs[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < ROWS; i += 4)
        for (int j = 0; j < 2; j++) {
            fours[i + 2 * j] = _mm256_unpacklo_epi64(pairs[i + j], pairs[i + 2 + j]);
            fours[i + 2 * j + 1] = _mm256_unpackhi_epi64(pairs[i + j], pairs[i + 2 + j]);
        }
    for (int quad = 0; quad < 4; quad++) {
        const __m256i low = _mm256_permute2x128_si256(fours[quad], fours[quad + 4], 0x20);
        const __m256i high = _mm256_permute2x128_si256(fours[quad], fours[quad + 4], 0x31);
        _mm256_storeu_si256((__m256i *)(out + quad * QUADS_APART), low);
        _mm256_storeu_si256((__m256i *)(out + (quad + 4) * QUADS_APART), high);
    }
}

/* Fills the rows of the last tile that no output has. */
void pad_last_tile(int64_t outputs, int64_t inputs, uint8_t *tiles);
