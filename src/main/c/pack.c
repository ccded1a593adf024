#include "tiles.h"
#include <string.h>

__attribute__((target("arch=x86-64-v3"))) static void pack_block(const int8_t *rows, int64_t stride, uint8_t *out) {
    const __m256i flip = _mm256_set1_epi8((char)0x80);
    __m256i r[ROWS];
    for (int i = 0; i < ROWS; i++)
        r[i] = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(rows + i * stride)), flip);
    write_block(r, out);
}

static void pad(int64_t from, int64_t inputs, uint8_t *out) {
    for (int64_t i = from; i < padded(inputs, QUAD); i++) out[i / QUAD * QUADS_APART + i % QUAD] = 0x80;
}

void pad_last_tile(int64_t outputs, int64_t inputs, uint8_t *tiles) {
    for (int64_t row = outputs; row % HYDRA_TILE; row++) pad(0, inputs, row_of(tiles, row, inputs));
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
    if (from + count == outputs * inputs) pad_last_tile(outputs, inputs, tiles);
}
