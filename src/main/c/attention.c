#include "kernels.h"
#include <math.h>
#include <string.h>

/*
 * A row's keys are the committed ones and its ancestors, in the order of their positions. Every sum runs over positions in
 * one order, wherever in the cache a key stands and whoever else is computed.
 */

/* Queries of one key head that are computed together. */
#define QUERIES 8

/* Values' vectors of 16 that are summed at a time. */
#define LANES 4

typedef struct {
    const hydra_shape *shape;
    int64_t window;
    const hydra_sequence *sequence;
    const float *qkv;
    float *scores;
    float *out;
} attention;

int64_t hydra_scores(const hydra_shape *shape) {
    return (QUERIES + 1) * shape->cache_rows;
}

/* scores (queries, stride) of some queries with `blocks` blocks of keys: a sum over the head's numbers in their order. */
INLINE void score(
    const int queries, const int blocks, const float *const *q, const float *keys, int64_t dim, float *scores, int64_t stride) {
    v16 sum[queries][blocks];
    for (int i = 0; i < queries; i++)
        for (int b = 0; b < blocks; b++) sum[i][b] = (v16){};
    for (int64_t d = 0; d < dim; d++)
        for (int b = 0; b < blocks; b++) {
            const v16 key = load(keys + (b * dim + d) * HYDRA_BLOCK);
            for (int i = 0; i < queries; i++) sum[i][b] += key * q[i][d];
        }
    for (int i = 0; i < queries; i++)
        for (int b = 0; b < blocks; b++) store(scores + i * stride + b * HYDRA_BLOCK, sum[i][b]);
}

BOTH static void score_all(
    int64_t queries, int64_t blocks, const float *const *q, const float *keys, int64_t dim, float *scores, int64_t stride) {
    const int64_t block = dim * HYDRA_BLOCK;
    int64_t i = 0;
    for (; queries - i >= 8; i += 8)
        for (int64_t b = 0; b < blocks; b++)
            score(8, 1, q + i, keys + b * block, dim, scores + i * stride + b * HYDRA_BLOCK, stride);
    for (; queries - i >= 3; i += 3) {
        int64_t b = 0;
        for (; blocks - b >= 3; b += 3)
            score(3, 3, q + i, keys + b * block, dim, scores + i * stride + b * HYDRA_BLOCK, stride);
        for (; b < blocks; b++) score(3, 1, q + i, keys + b * block, dim, scores + i * stride + b * HYDRA_BLOCK, stride);
    }
    for (; i < queries; i++) {
        int64_t b = 0;
        for (; blocks - b >= 8; b += 8)
            score(1, 8, q + i, keys + b * block, dim, scores + i * stride + b * HYDRA_BLOCK, stride);
        for (; b < blocks; b++) score(1, 1, q + i, keys + b * block, dim, scores + i * stride + b * HYDRA_BLOCK, stride);
    }
}

/* scores[from..to) become exp(scale * (score - largest)), what stands around them in their blocks 0; returns their sum. */
BOTH static float weigh(float *scores, int64_t from, int64_t to, float scale) {
    const int64_t first = from / 16 * 16, end = padded(to, 16);
    for (int64_t i = first; i < from; i++) scores[i] = -INFINITY;
    for (int64_t i = to; i < end; i++) scores[i] = -INFINITY;
    const float largest = largest_of(scores + first, end - first);
    v16 sum = {};
    for (int64_t i = first; i < end; i += 16) {
        const v16 distance = (load(scores + i) - largest) * scale;
        const v16 weight = weight_of(distance);
        store(scores + i, weight);
        sum += weight;
    }
    return sum_of(sum);
}

/* out[i] += the weighted values of keys from..to, key after key; rows: where they stand, null: at their positions. */
INLINE void add_values(
    const int queries, const int lanes, const float *const *weights, const float *values, int64_t stride, int64_t from,
    int64_t to, const int32_t *rows, int64_t shift, float *const *out) {
    v16 sum[queries][lanes];
    for (int i = 0; i < queries; i++)
        for (int l = 0; l < lanes; l++) sum[i][l] = load(out[i] + 16 * l);
    for (int64_t key = from; key < to; key++) {
        const float *value = values + (rows ? shift + rows[key - shift] : key) * stride;
        for (int l = 0; l < lanes; l++) {
            const v16 v = load(value + 16 * l);
            for (int i = 0; i < queries; i++) sum[i][l] += v * weights[i][key];
        }
    }
    for (int i = 0; i < queries; i++)
        for (int l = 0; l < lanes; l++) store(out[i] + 16 * l, sum[i][l]);
}

/* The same for any number of queries and of the head's numbers. */
BOTH static void add_all_values(
    int64_t queries, int64_t width, const float *const *weights, const float *values, int64_t from, int64_t to,
    const int32_t *rows, int64_t shift, float (*out)[LANES * 16], int64_t lane) {
    float *o[QUERIES];
    for (int64_t i = 0; i < queries; i++) o[i] = out[i];
    const int64_t lanes = at_most(LANES, (width - lane) / 16);
    const float *v = values + lane;
    int64_t i = 0;
    if (lanes == 4) {
        for (; queries - i >= 4; i += 4) add_values(4, 4, weights + i, v, width, from, to, rows, shift, o + i);
        for (; i < queries; i++) add_values(1, 4, weights + i, v, width, from, to, rows, shift, o + i);
    } else if (lanes == 2) {
        for (; queries - i >= 4; i += 4) add_values(4, 2, weights + i, v, width, from, to, rows, shift, o + i);
        for (; i < queries; i++) add_values(1, 2, weights + i, v, width, from, to, rows, shift, o + i);
    } else {
        for (; i < queries; i++)
            for (int64_t l = 0; l < lanes; l++) {
                float *part = o[i] + 16 * l;
                add_values(1, 1, weights + i, v + 16 * l, width, from, to, rows, shift, &part);
            }
    }
}

/* How often QUERIES of a key head are computed together. */
static int64_t parts_of_head(const hydra_shape *shape, const hydra_sequence *sequence) {
    return padded(sequence->rows * (shape->heads / shape->kv_heads), QUERIES) / QUERIES;
}

/* Some queries of one key head. */
static void attend_some(void *argument, int64_t i, int64_t thread) {
    const attention *a = argument;
    const hydra_shape *shape = a->shape;
    const hydra_sequence *s = a->sequence;
    const int64_t dim = shape->head_dim, width = value_width(shape), group = shape->heads / shape->kv_heads;
    const int64_t stride = shape->cache_rows, start = s->start;
    const int64_t parts = parts_of_head(shape, s);
    const int64_t head = i / parts, first = i % parts * QUERIES, queries = at_most(QUERIES, s->rows * group - first);
    float *scores = a->scores + thread * hydra_scores(shape), *own = scores + QUERIES * stride;
    const float *keys = s->keys + head * stride * dim, *values = s->values + head * stride * width;

    const float *q[QUERIES], *weights[QUERIES];
    int64_t row[QUERIES], from[QUERIES], to[QUERIES], last = 0, least = start;
    for (int64_t j = 0; j < queries; j++) {
        row[j] = (first + j) / group;
        q[j] = a->qkv + row[j] * qkv_size(shape) + (head * group + (first + j) % group) * dim;
        to[j] = start + s->depths[row[j]] + 1;
        from[j] = a->window && to[j] > a->window ? to[j] - a->window : 0;
        last = row[j]; /* a row's ancestors stand before it */
        least = at_most(least, from[j]);
    }
    least = least / HYDRA_BLOCK * HYDRA_BLOCK;
    const int64_t blocks = (padded(start + last + 1, HYDRA_BLOCK) - least) / HYDRA_BLOCK;
    score_all(queries, blocks, q, keys + least * dim, dim, scores + least, stride);

    float sums[QUERIES];
    const float scale = 1 / sqrtf((float)dim);
    for (int64_t j = 0; j < queries; j++) {
        float *mine = scores + j * stride;
        if (s->paths) {
            const int32_t *path = s->paths + row[j] * s->rows;
            const int64_t depths = to[j] - start;
            for (int64_t d = 0; d < depths; d++) own[d] = mine[start + path[d]];
            memcpy(mine + start, own, depths * sizeof(float));
        }
        sums[j] = weigh(mine, from[j], to[j], scale);
        weights[j] = mine;
    }

    /* Committed keys that all see are read once for all. */
    int64_t same = 1;
    for (int64_t j = 1; j < queries; j++) same &= from[j] == from[0];
    float out[QUERIES][LANES * 16];
    for (int64_t lane = 0; lane < width; lane += LANES * 16) {
        memset(out, 0, sizeof out);
        if (same) add_all_values(queries, width, weights, values, from[0], start, 0, 0, out, lane);
        for (int64_t j = 0; j < queries; j++) {
            float(*mine)[LANES * 16] = out + j;
            if (!same) add_all_values(1, width, weights + j, values, from[j], start, 0, 0, mine, lane);
            const int64_t begin_fresh = from[j] > start ? from[j] : start;
            const int32_t *path = s->paths ? s->paths + row[j] * s->rows : 0;
            add_all_values(1, width, weights + j, values, begin_fresh, to[j], path, start, mine, lane);
            float *to_row = a->out + row[j] * shape->heads * dim + (head * group + (first + j) % group) * dim;
            const int64_t count = at_most(LANES * 16, dim - lane);
            for (int64_t d = 0; d < count; d++) to_row[lane + d] = mine[0][d] / sums[j];
        }
    }
}

void attend(
    const hydra_shape *shape, int64_t window, const hydra_sequence *sequence, const float *qkv, const hydra_workspace *workspace,
    float *out) {
    attention a = {shape, window, sequence, qkv, workspace->scores, out};
    in_parallel(workspace->threads, attend_some, &a, shape->kv_heads * parts_of_head(shape, sequence));
}
