#include "kernels.h"
#include <math.h>
#include <string.h>

static activations codes_of(const hydra_workspace *w, int64_t inputs) {
    return (activations){w->codes, w->scales, w->sums, padded(inputs, 4), w->threads};
}

BOTH static float square_sum(const float *row, int64_t count) {
    v16 sum = {};
    int64_t i = 0;
    for (; count - i >= 16; i += 16) sum += load(row + i) * load(row + i);
    float rest = 0;
    for (; i < count; i++) rest += row[i] * row[i];
    return sum_of(sum) + rest;
}

static float inverse_rms(const float *row, int64_t count, double epsilon) {
    return (float)(1 / sqrt(square_sum(row, count) / (double)count + epsilon));
}

BOTH static void scale_by(const float *row, const float *gain, float factor, int64_t count, float *out) {
    for (int64_t i = 0; i < count; i++) out[i] = row[i] * gain[i] * factor;
}

BOTH static void add_to(float *row, const float *more, int64_t count) {
    for (int64_t i = 0; i < count; i++) row[i] += more[i];
}

BOTH static void turn(float *head, const float *factors, int64_t dim) {
    for (int64_t i = 0; i < dim; i += 2) {
        const float x = head[i], y = head[i + 1], c = factors[i], s = factors[i + 1];
        head[i] = x * c - y * s;
        head[i + 1] = x * s + y * c;
    }
}

/* x / (1 + exp(-x)) without large powers. */
INLINE v16 silu(v16 x) {
    const i16 negative = x < 0.0f;
    const v16 e = exponential(choose(negative, x, -x));
    return x * choose(negative, e, all(1)) / (1.0f + e);
}

INLINE v16 joined(v16 gate, v16 up, int what) { return what == ADD ? silu(gate) + up : silu(gate) * up; }

/* out = silu(gate) * up, or silu(gate) + up. */
BOTH static void swish(const float *gate, const float *up, int64_t count, float *out, int what) {
    int64_t i = 0;
    for (; count - i >= 16; i += 16) store(out + i, joined(load(gate + i), load(up + i), what));
    if (i < count) {
        float g[16] = {}, u[16] = {};
        memcpy(g, gate + i, (count - i) * sizeof(float));
        memcpy(u, up + i, (count - i) * sizeof(float));
        store(g, joined(load(g), load(u), what));
        memcpy(out + i, g, (count - i) * sizeof(float));
    }
}

/* Numbers of a layer's keys and values in one slot's cache. */
static int64_t keys_size(const hydra_shape *shape) {
    return shape->kv_heads * shape->cache_rows * shape->head_dim;
}

static int64_t values_size(const hydra_shape *shape) {
    return shape->kv_heads * shape->cache_rows * value_width(shape);
}

/* RMSNorm and codes of rows; the norm's division is part of the row's scale. */
static void quantize_normed(
    const hydra_shape *shape, const float *gain, const float *x, int64_t rows, float *buffer, const activations *a) {
    for (int64_t row = 0; row < rows; row++) {
        const float *in = x + row * shape->hidden;
        scale_by(in, gain, 1, shape->hidden, buffer);
        quantize(buffer, shape->hidden, inverse_rms(in, shape->hidden, shape->norm_epsilon), a, row);
    }
}

static void quantize_rows(const float *x, int64_t rows, int64_t count, const activations *a) {
    for (int64_t row = 0; row < rows; row++) quantize(x + row * count, count, 1, a, row);
}

/* Bias, norm and rotation of a row's heads; its keys and values go into the cache. */
static void place(
    const hydra_shape *shape, const hydra_layer *layer, const hydra_sequence *sequence, int64_t row, float *qkv) {
    const int64_t dim = shape->head_dim, width = value_width(shape), rows = shape->cache_rows;
    const int64_t turned = shape->heads + shape->kv_heads, at = sequence->start + row;
    const float *factors = shape->rotary + (sequence->start + sequence->depths[row]) * dim;
    if (layer->qkv_bias) add_to(qkv, layer->qkv_bias, (turned + shape->kv_heads) * dim);
    for (int64_t head = 0; head < turned; head++) {
        float *x = qkv + head * dim;
        const float *gain = head < shape->heads ? layer->q_norm : layer->k_norm;
        if (gain) scale_by(x, gain, inverse_rms(x, dim, shape->norm_epsilon), dim, x);
        turn(x, factors, dim);
    }
    for (int64_t head = 0; head < shape->kv_heads; head++) {
        const float *key = qkv + (shape->heads + head) * dim, *value = qkv + (turned + head) * dim;
        float *keys = sequence->keys + (head * rows + at / HYDRA_BLOCK * HYDRA_BLOCK) * dim + at % HYDRA_BLOCK;
        for (int64_t d = 0; d < dim; d++) keys[d * HYDRA_BLOCK] = key[d];
        memcpy(sequence->values + (head * rows + at) * width, value, dim * sizeof(float));
    }
}

static void decode_layer(
    const hydra_shape *shape,
    const hydra_layer *layer,
    const hydra_workspace *workspace,
    const hydra_sequence *sequences,
    int64_t count,
    float *x) {
    const int64_t hidden = shape->hidden, each = qkv_size(shape);
    const int64_t attended = shape->heads * shape->head_dim, intermediate = shape->intermediate;
    float *const qkv = workspace->qkv, *const gate_up = workspace->gate_up;
    int64_t rows = 0;
    for (int64_t s = 0; s < count; s++) rows += sequences[s].rows;

    activations a = codes_of(workspace, hidden);
    quantize_normed(shape, layer->attention_norm, x, rows, workspace->normed, &a);
    multiply(&a, rows, &layer->qkv, qkv, each, STORE);
    for (int64_t s = 0, first = 0; s < count; first += sequences[s++].rows) {
        for (int64_t row = 0; row < sequences[s].rows; row++)
            place(shape, layer, sequences + s, row, qkv + (first + row) * each);
        attend(
            shape, layer->window, sequences + s, qkv + first * each, workspace,
            workspace->attended + first * attended);
    }
    a = codes_of(workspace, attended);
    quantize_rows(workspace->attended, rows, attended, &a);
    multiply(&a, rows, &layer->o, x, hidden, ADD);
    if (layer->o_bias)
        for (int64_t row = 0; row < rows; row++) add_to(x + row * hidden, layer->o_bias, hidden);

    a = codes_of(workspace, hidden);
    quantize_normed(shape, layer->mlp_norm, x, rows, workspace->normed, &a);
    multiply(&a, rows, &layer->gate_up, gate_up, 2 * intermediate, STORE);
    a = codes_of(workspace, intermediate);
    for (int64_t row = 0; row < rows; row++) {
        float *gate = gate_up + row * 2 * intermediate;
        swish(gate, gate + intermediate, intermediate, gate, STORE);
        quantize(gate, intermediate, 1, &a, row);
    }
    multiply(&a, rows, &layer->down, x, hidden, ADD);
}

void hydra_decode(
    const hydra_shape *shape,
    const hydra_layer *layers,
    int64_t from,
    int64_t to,
    const hydra_workspace *workspace,
    const hydra_sequence *sequences,
    int64_t count,
    float *x) {
    hydra_sequence here[count];
    for (int64_t layer = from; layer < to; layer++) {
        for (int64_t s = 0; s < count; s++) {
            here[s] = sequences[s];
            here[s].keys += layer * keys_size(shape);
            here[s].values += layer * values_size(shape);
        }
        decode_layer(shape, layers + layer, workspace, here, count, x);
    }
}

void hydra_norm(const hydra_shape *shape, const float *gain, const float *x, int64_t rows, float *out) {
    const int64_t hidden = shape->hidden;
    for (int64_t row = 0; row < rows; row++) {
        const float *in = x + row * hidden;
        scale_by(in, gain, inverse_rms(in, hidden, shape->norm_epsilon), hidden, out + row * hidden);
    }
}

static void linear(const hydra_workspace *workspace, const hydra_matrix *w, const float *x, int64_t rows, float *out, int what) {
    const activations a = codes_of(workspace, w->inputs);
    quantize_rows(x, rows, w->inputs, &a);
    multiply(&a, rows, w, out, w->outputs, what);
}

void hydra_linear(const hydra_workspace *workspace, const hydra_matrix *w, const float *x, int64_t rows, float *out) {
    linear(workspace, w, x, rows, out, STORE);
}

void hydra_add_linear(const hydra_workspace *workspace, const hydra_matrix *w, const float *x, int64_t rows, float *out) {
    linear(workspace, w, x, rows, out, ADD);
}

void hydra_residual(
    const hydra_workspace *workspace, const hydra_matrix *w, const float *bias, const float *x, int64_t rows, float *out) {
    hydra_linear(workspace, w, x, rows, out);
    for (int64_t row = 0; row < rows; row++) {
        float *to = out + row * w->outputs;
        add_to(to, bias, w->outputs);
        swish(to, x + row * w->outputs, w->outputs, to, ADD);
    }
}

static void keep_head(
    const hydra_shape *shape, float *keys, float *values, int64_t start, const int32_t *path, int64_t length) {
    const int64_t dim = shape->head_dim, width = value_width(shape);
    for (int64_t i = 0; i < length; i++) {
        const int64_t from = start + path[i], to = start + i; /* a node stands behind its ancestors: from >= to */
        if (from == to) continue;
        for (int64_t d = 0; d < dim; d++)
            keys[(to / HYDRA_BLOCK * dim + d) * HYDRA_BLOCK + to % HYDRA_BLOCK] =
                keys[(from / HYDRA_BLOCK * dim + d) * HYDRA_BLOCK + from % HYDRA_BLOCK];
        memcpy(values + to * width, values + from * width, dim * sizeof(float));
    }
}

void hydra_keep(
    const hydra_shape *shape,
    int64_t layers,
    float *keys,
    float *values,
    int64_t start,
    const int32_t *path,
    int64_t length) {
    for (int64_t head = 0; head < layers * shape->kv_heads; head++)
        keep_head(
            shape, keys + head * keys_size(shape) / shape->kv_heads, values + head * values_size(shape) / shape->kv_heads,
            start, path, length);
}
