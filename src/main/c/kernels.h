/* What the kernels' files share. */
#pragma once
#include "hydra.h"
#include <stddef.h>
#include <string.h>

/* 16 numbers; the compiler makes of them what the processor has. */
typedef float v16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t i16 __attribute__((vector_size(64), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

/* Compiled for AVX-512 and for AVX2; the processor takes its own when the library is loaded. */
#define BOTH __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))

INLINE v16 load(const float *p) { return *(const v16 *)p; }
INLINE void store(float *p, v16 x) { *(v16 *)p = x; }
INLINE v16 all(float x) { return x - (v16){}; }
/* Lane by lane. */
INLINE v16 choose(i16 condition, v16 yes, v16 no) {
    return (v16)((condition & (i16)yes) | (~condition & (i16)no));
}

/* The lanes' sum in one fixed order. */
INLINE float sum_of(v16 x) {
    float sum = 0;
    for (int i = 0; i < 16; i++) sum += x[i];
    return sum;
}

INLINE int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t padded(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

/* The largest of some numbers. NaN is skipped: what is computed with it tells. */
INLINE float largest_of(const float *row, int64_t count) {
    v16 most = all(-__builtin_inff());
    int64_t i = 0;
    for (; count - i >= 16; i += 16) {
        const v16 own = load(row + i);
        most = choose(own > most, own, most);
    }
    float largest = most[0];
    for (int lane = 1; lane < 16; lane++) largest = most[lane] > largest ? most[lane] : largest;
    for (; i < count; i++) largest = row[i] > largest ? row[i] : largest;
    return largest;
}

/* The largest size of some numbers; NaN if there is one: without their signs numbers stand in the order of their bits, and NaN
 * behind all others. */
INLINE float largest_size_of(const float *row, int64_t count) {
    i16 most = {};
    int64_t i = 0;
    for (; count - i >= 16; i += 16) {
        const i16 own = (i16)load(row + i) & 0x7fffffff;
        most = (i16)choose(own > most, (v16)own, (v16)most);
    }
    if (i < count) {
        v16 rest = {};
        memcpy(&rest, row + i, (count - i) * sizeof(float));
        const i16 own = (i16)rest & 0x7fffffff;
        most = (i16)choose(own > most, (v16)own, (v16)most);
    }
    int32_t largest = most[0];
    for (int lane = 1; lane < 16; lane++) largest = most[lane] > largest ? most[lane] : largest;
    return ((v16)((i16){} + largest))[0];
}

/* Numbers of a row's queries, keys and values. */
INLINE int64_t qkv_size(const hydra_shape *shape) { return (shape->heads + 2 * shape->kv_heads) * shape->head_dim; }

/* Numbers of a value in the cache. */
INLINE int64_t value_width(const hydra_shape *shape) { return padded(shape->head_dim, 16); }

/* Rows of activations as codes: a row is codes * scale. */
typedef struct {
    int8_t *codes; /* (rows, stride), padded with 0 */
    float *scales; /* (rows) */
    int32_t *sums; /* (rows): of the codes */
    int64_t stride;
    int64_t threads;
} activations;

/* What becomes of a product. */
enum { STORE, ADD };

/* out (rows, stride) = or += activations times the matrix. */
void multiply(const activations *a, int64_t rows, const hydra_matrix *w, float *out, int64_t stride, int what);

/* Codes of a row's numbers, and its scale times `factor`; the scale of a row that is not all finite is not either, and makes NaN of
 * every product. */
void quantize(const float *row, int64_t count, float factor, const activations *a, int64_t index);

/* Attention of the fresh rows of one sequence, whose keys and values are written already; qkv: (rows, (heads + 2 kv_heads) *
 * head_dim), out: (rows, heads * head_dim). */
void attend(
    const hydra_shape *shape, int64_t window, const hydra_sequence *sequence, const float *qkv, const hydra_workspace *workspace,
    float *out);

/* exp of numbers of at most 0: 2^n times a polynomial of the rest (Cephes' expf, relative error 2^-23). NaN stays NaN. */
INLINE v16 exponential(v16 x) {
    x = choose(x < -87.0f, all(-87.0f), x);
    const v16 magic = all(12582912.0f); /* 1.5 * 2^23: adding it rounds to a whole number */
    const v16 shifted = x * 1.44269504f + magic, n = shifted - magic;
    x = x - n * 0.693359375f + n * 2.12194440e-4f;
    v16 p = x * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * x + 8.3334519073e-3f;
    p = p * x + 4.1665795894e-2f;
    p = p * x + 1.6666665459e-1f;
    p = p * x + 5.0000001201e-1f;
    p = p * x * x + x + 1.0f;
    return p * (v16)(((i16)shifted - (i16)magic + 127) << 23);
}

/* The same, 0 where it would be smaller than the smallest normal number. */
INLINE v16 weight_of(v16 distance) { return choose(distance < -87.0f, (v16){}, exponential(distance)); }

/* hydra_level, or what hydra_limit made of it. */
int kernel_level(void);

/* Runs piece(argument, i, thread) for all i below pieces, on so many of the pool's threads at most; thread is below that. */
typedef void piece(void *argument, int64_t i, int64_t thread);
void in_parallel(int64_t threads, piece *work, void *argument, int64_t pieces);
