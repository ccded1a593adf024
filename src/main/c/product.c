#include "kernels.h"
#include <immintrin.h>
#include <string.h>

/* One tile of outputs for some rows; the compiler unrolls by the constant number of rows. */
#define ROWS_AT_ONCE 8

typedef void tile_product(const activations *a, int64_t row, int64_t rows, const uint8_t *tile, int64_t quads, int32_t *sums);

__attribute__((target("arch=x86-64-v4,avx512vnni"))) INLINE void tile_vnni_rows(
    const int rows, const activations *a, int64_t row, const uint8_t *tile, int64_t quads, int32_t *sums) {
    __m512i acc[ROWS_AT_ONCE][2];
    const int8_t *codes = a->codes + row * a->stride;
    for (int r = 0; r < rows; r++) acc[r][0] = acc[r][1] = _mm512_setzero_si512();
    for (int64_t q = 0; q < quads; q++) {
        const __m512i w0 = _mm512_loadu_si512(tile + q * 128), w1 = _mm512_loadu_si512(tile + q * 128 + 64);
        _mm_prefetch(tile + q * 128 + 2048, _MM_HINT_T0);
        _mm_prefetch(tile + q * 128 + 2112, _MM_HINT_T0);
        for (int r = 0; r < rows; r++) {
            int32_t four;
            memcpy(&four, codes + r * a->stride + 4 * q, 4);
            const __m512i x = _mm512_set1_epi32(four);
            acc[r][0] = _mm512_dpbusd_epi32(acc[r][0], w0, x);
            acc[r][1] = _mm512_dpbusd_epi32(acc[r][1], w1, x);
        }
    }
    for (int r = 0; r < rows; r++) {
        _mm512_storeu_si512(sums + r * HYDRA_TILE, acc[r][0]);
        _mm512_storeu_si512(sums + r * HYDRA_TILE + 16, acc[r][1]);
    }
}

__attribute__((target("arch=x86-64-v4,avx512vnni"))) static void tile_vnni(
    const activations *a, int64_t row, int64_t rows, const uint8_t *tile, int64_t quads, int32_t *sums) {
    switch (rows) {
        case 1: tile_vnni_rows(1, a, row, tile, quads, sums); break;
        case 2: tile_vnni_rows(2, a, row, tile, quads, sums); break;
        case 3: tile_vnni_rows(3, a, row, tile, quads, sums); break;
        case 4: tile_vnni_rows(4, a, row, tile, quads, sums); break;
        case 5: tile_vnni_rows(5, a, row, tile, quads, sums); break;
        case 6: tile_vnni_rows(6, a, row, tile, quads, sums); break;
        case 7: tile_vnni_rows(7, a, row, tile, quads, sums); break;
        default: tile_vnni_rows(8, a, row, tile, quads, sums); break;
    }
}

/* Without VNNI: |w| * sign(w) x adds two products in 16 bits, which 128 * 127 * 2 just does not overflow. */
__attribute__((target("arch=x86-64-v3"))) static void tile_avx2(
    const activations *a, int64_t row, int64_t rows, const uint8_t *tile, int64_t quads, int32_t *sums) {
    const __m256i flip = _mm256_set1_epi8((char)0x80), ones = _mm256_set1_epi16(1);
    for (int64_t r = 0; r < rows; r++) {
        const int8_t *codes = a->codes + (row + r) * a->stride;
        __m256i acc[4];
        for (int part = 0; part < 4; part++) acc[part] = _mm256_setzero_si256();
        for (int64_t q = 0; q < quads; q++) {
            int32_t four;
            memcpy(&four, codes + 4 * q, 4);
            const __m256i x = _mm256_set1_epi32(four);
            for (int part = 0; part < 4; part++) {
                const __m256i u = _mm256_loadu_si256((const __m256i *)(tile + q * 128 + part * 32));
                const __m256i w = _mm256_xor_si256(u, flip);
                const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
                acc[part] = _mm256_add_epi32(acc[part], _mm256_madd_epi16(pairs, ones));
            }
        }
        for (int part = 0; part < 4; part++)
            _mm256_storeu_si256((__m256i *)(sums + r * HYDRA_TILE + part * 8), acc[part]);
    }
}

typedef struct {
    const activations *a;
    int64_t rows;
    const hydra_matrix *w;
    float *out; /* (rows, stride) */
    int64_t stride;
    int what;
} product;

/* out = (sum - 128 * the codes' sum) * both scales; sums of unsigned weights are 128 times too large for each code. */
BOTH __attribute__((noinline)) static void finish(
    const product *p, int64_t row, int64_t rows, int64_t output, const int32_t *sums, int64_t offset) {
    const int64_t count = at_most(HYDRA_TILE, p->w->outputs - output);
    for (int64_t r = 0; r < rows; r++) {
        const float scale = p->a->scales[row + r];
        const int32_t excess = (int32_t)(offset * p->a->sums[row + r]);
        float *out = p->out + (row + r) * p->stride + output;
        const float *scales = p->w->scales + output;
        const int32_t *sum = sums + r * HYDRA_TILE;
        if (p->what == ADD)
            for (int64_t o = 0; o < count; o++) out[o] += (float)(sum[o] - excess) * (scale * scales[o]);
        else
            for (int64_t o = 0; o < count; o++) out[o] = (float)(sum[o] - excess) * (scale * scales[o]);
    }
}

/* Tiles that one thread takes at a time: some 64 KiB of codes. */
static int64_t tiles_together(const hydra_matrix *w) {
    const int64_t tile = padded(w->inputs, 4) * HYDRA_TILE;
    return tile > 65536 ? 1 : 65536 / tile;
}

static void some_tiles(void *argument, int64_t i, int64_t thread) {
    (void)thread;
    const product *p = argument;
    const int vnni = kernel_level() == 2;
    const int64_t quads = (p->w->inputs + 3) / 4, together = tiles_together(p->w);
    const int64_t tiles = padded(p->w->outputs, HYDRA_TILE) / HYDRA_TILE;
    int32_t sums[ROWS_AT_ONCE * HYDRA_TILE];
    for (int64_t tile = i * together; tile < at_most(tiles, (i + 1) * together); tile++) {
        const uint8_t *codes = p->w->tiles + tile * quads * HYDRA_TILE * 4;
        for (int64_t row = 0; row < p->rows; row += ROWS_AT_ONCE) {
            const int64_t rows = at_most(ROWS_AT_ONCE, p->rows - row);
            (vnni ? tile_vnni : tile_avx2)(p->a, row, rows, codes, quads, sums);
            finish(p, row, rows, tile * HYDRA_TILE, sums, vnni ? 128 : 0);
        }
    }
}

void multiply(const activations *a, int64_t rows, const hydra_matrix *w, float *out, int64_t stride, int what) {
    product p = {a, rows, w, out, stride, what};
    const int64_t tiles = padded(w->outputs, HYDRA_TILE) / HYDRA_TILE, together = tiles_together(w);
    in_parallel(a->threads, some_tiles, &p, (tiles + together - 1) / together);
}

BOTH void quantize(const float *row, int64_t count, float factor, const activations *a, int64_t index) {
    int8_t *codes = a->codes + index * a->stride;
    const float largest = largest_size_of(row, count);
    const float inverse = largest > 0 ? 127 / largest : 0;
    int32_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        const int32_t code = (int32_t)__builtin_rintf(row[i] * inverse);
        codes[i] = (int8_t)code;
        sum += code;
    }
    memset(codes + count, 0, a->stride - count);
    a->scales[index] = largest / 127 * factor;
    a->sums[index] = sum;
}
