#include "kernels.h"
#include <immintrin.h>
#include <string.h>

/* Rows and inputs that are transposed at a time. */
#define ROWS 8
#define INPUTS 32

/* Four inputs of each output stand together. */
#define QUAD 4
#define QUADS_APART (HYDRA_TILE * QUAD)

/* ROWS rows by INPUTS inputs: vectors of quads, turned over. */
__attribute__((target("arch=x86-64-v3"))) static void pack_block(const int8_t *rows, int64_t stride, uint8_t *out) {
    const __m256i flip = _mm256_set1_epi8((char)0x80);
    __m256i r[ROWS], pairs[ROWS], fours[ROWS];
    for (int i = 0; i < ROWS; i++)
        r[i] = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(rows + i * stride)), flip);
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

/* Where a row's codes go. */
static uint8_t *row_of(uint8_t *tiles, int64_t row, int64_t inputs) {
    return tiles + row / HYDRA_TILE * HYDRA_TILE * padded(inputs, QUAD) + row % HYDRA_TILE * QUAD;
}

static void pad(int64_t from, int64_t inputs, uint8_t *out) {
    for (int64_t i = from; i < padded(inputs, QUAD); i++) out[i / QUAD * QUADS_APART + i % QUAD] = 0x80;
}

/* A row's inputs from..to, and the padding behind its last one. */
static void pack_row(const int8_t *codes, int64_t from, int64_t to, int64_t inputs, uint8_t *out) {
    for (int64_t i = from; i < to; i++) out[i / QUAD * QUADS_APART + i % QUAD] = (uint8_t)(codes[i - from] ^ 0x80);
    if (to == inputs) pad(inputs, inputs, out);
}

static void pack_rows(const int8_t *codes, int64_t inputs, uint8_t *out) {
    int64_t i = 0;
    for (; inputs - i >= INPUTS; i += INPUTS) pack_block(codes + i, inputs, out + i / QUAD * QUADS_APART);
    for (int64_t row = 0; row < ROWS; row++) pack_row(codes + row * inputs + i, i, inputs, inputs, out + row * QUAD);
}

void hydra_pack(const int8_t *codes, int64_t from, int64_t count, int64_t outputs, int64_t inputs, uint8_t *tiles) {
    for (int64_t done = 0, now; done < count; done += now) {
        const int64_t row = (from + done) / inputs, i = (from + done) % inputs;
        if (i == 0 && row % ROWS == 0 && count - done >= ROWS * inputs) {
            now = ROWS * inputs;
            pack_rows(codes + done, inputs, row_of(tiles, row, inputs));
        } else {
            now = at_most(inputs - i, count - done);
            pack_row(codes + done, i, i + now, inputs, row_of(tiles, row, inputs));
        }
    }
    if (from + count < outputs * inputs) return;
    for (int64_t row = outputs; row % HYDRA_TILE; row++) pad(0, inputs, row_of(tiles, row, inputs));
}
