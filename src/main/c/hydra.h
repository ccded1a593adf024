/*
 * The CPU engine's kernels: decoder layers of a Llama-family model over int8 weights, and what stands around it.
 *
 * Every row's result is the same, bit for bit, alone or among other rows, and for a token of a draft tree the same as when
 * that token is decoded by itself: integer sums have no order, and every floating-point sum here runs in an order that
 * depends on the row's own positions only.
 *
 * Structures hold 8-byte fields only, so that Java writes them as rows of longs (dev.hydrallm.engine.cpu.Struct).
 */
#pragma once
#include <stdint.h>

/* What Java calls. */
#pragma GCC visibility push(default)

/* Outputs that are computed together; packed matrices are padded to a multiple of it. */
#define HYDRA_TILE 32

/* Keys that stand together in the cache. */
#define HYDRA_BLOCK 16

/* A matrix of int8 codes in tiles, see hydra_pack, and a scale for each output. */
typedef struct {
    const uint8_t *tiles;
    const float *scales; /* (outputs, padded to HYDRA_TILE) */
    int64_t outputs;
    int64_t inputs;
} hydra_matrix;

/* What a matrix of 4-bit codes stands for, two to a byte, the first in the high half: a code of a group of inputs stands for
 * pattern[code] * the group's factor + its offset. */
typedef struct {
    const float *pattern; /* (16), ascending */
    const void *factors;  /* (outputs, inputs / group) */
    const void *offsets;  /* the same; null: none */
    int64_t width;        /* bytes of a factor and of an offset: 2 in half precision, 4 in single */
    int64_t outputs;
    int64_t inputs;
    int64_t group;        /* inputs of a group, a multiple of 32 */
} hydra_four_bits;

typedef struct {
    int64_t hidden;
    int64_t intermediate;
    int64_t heads;
    int64_t kv_heads;
    int64_t head_dim;
    int64_t cache_rows; /* of one slot, a multiple of HYDRA_BLOCK */
    double norm_epsilon;
    const float *rotary; /* (positions, head_dim / 2, 2): cosine, sine */
} hydra_shape;

typedef struct {
    const float *attention_norm; /* (hidden) */
    const float *mlp_norm;       /* (hidden) */
    const float *qkv_bias;       /* ((heads + 2 kv_heads) * head_dim) or null */
    const float *q_norm;         /* (head_dim) or null */
    const float *k_norm;         /* (head_dim) or null */
    const float *o_bias;         /* (hidden) or null */
    int64_t window;              /* tokens that a token sees, itself included; 0: all */
    hydra_matrix qkv;
    hydra_matrix o;
    hydra_matrix gate_up;
    hydra_matrix down;
} hydra_layer;

/* The fresh rows of one sequence, behind its first `start` committed ones. */
typedef struct {
    int64_t rows;
    int64_t start;
    const int32_t *depths; /* (rows): distance to the first row */
    const int32_t *paths;  /* (rows, rows): row i's ancestors by depth, itself last; null: a plain run, i's are 0..i */
    float *keys;           /* (layers, kv_heads, cache_rows / HYDRA_BLOCK, head_dim, HYDRA_BLOCK) */
    float *values;         /* (layers, kv_heads, cache_rows, head_dim padded to 16) */
} hydra_sequence;

/* Memory for calls on up to `rows` rows, one call at a time. */
typedef struct {
    int64_t threads; /* that work on a call at most */
    int8_t *codes;   /* (rows, largest number of inputs, padded to 4) */
    float *scales;   /* (rows) */
    int32_t *sums;   /* (rows) */
    float *normed;   /* (hidden) */
    float *qkv;      /* (rows, (heads + 2 kv_heads) * head_dim) */
    float *attended; /* (rows, heads * head_dim) */
    float *gate_up;  /* (rows, 2 * intermediate) */
    float *scores;   /* (threads, hydra_scores) */
} hydra_workspace;

/* 2: AVX-512 with VNNI; 1: AVX2; 0: neither, and nothing else here may be called. */
int32_t hydra_level(void);

/* Uses no more than a level from now on, for tests of the lower ones. */
void hydra_limit(int32_t level);

/* Starts threads until there are so many, the calling one included; they are shared by all callers. */
void hydra_threads(int64_t count);

/* Numbers of a thread's part of hydra_workspace's scores. */
int64_t hydra_scores(const hydra_shape *shape);

/* A part of a matrix's codes (outputs, inputs), `count` of them from a place on, into tiles of HYDRA_TILE outputs: for every four
 * inputs, the four codes of each output, as unsigned numbers, code + 128. Padding is code 0. Parts may come in any order, from
 * several threads. */
void hydra_pack(const int8_t *codes, int64_t from, int64_t count, int64_t outputs, int64_t inputs, uint8_t *tiles);

/* The same of 4-bit codes, whole rows of them from one on, which become int8 ones with a scale for each output; the scale is
 * infinite or NaN if one of its weights is. */
void hydra_pack_four_bits(
    const hydra_four_bits *matrix, const uint8_t *codes, int64_t row, int64_t rows, uint8_t *tiles, float *scales);

/* The decoder layers from..to over the fresh rows of some sequences, in place: x (rows of all, hidden). Writes their keys and
 * values. */
void hydra_decode(
    const hydra_shape *shape,
    const hydra_layer *layers,
    int64_t from,
    int64_t to,
    const hydra_workspace *workspace,
    const hydra_sequence *sequences,
    int64_t count,
    float *x);

/* RMSNorm of rows (rows, hidden). */
void hydra_norm(const hydra_shape *shape, const float *gain, const float *x, int64_t rows, float *out);

/* out (rows, outputs) = x (rows, inputs) times the matrix. */
void hydra_linear(const hydra_workspace *workspace, const hydra_matrix *w, const float *x, int64_t rows, float *out);

/* As hydra_linear, added to what stands in out. */
void hydra_add_linear(const hydra_workspace *workspace, const hydra_matrix *w, const float *x, int64_t rows, float *out);

/* A head's residual block: out (rows, width) = x + silu(x w + bias). */
void hydra_residual(
    const hydra_workspace *workspace,
    const hydra_matrix *w,
    const float *bias,
    const float *x,
    int64_t rows,
    float *out);

/* Moves the cache rows of a path's nodes to where the committed rows end. */
void hydra_keep(
    const hydra_shape *shape,
    int64_t layers,
    float *keys,
    float *values,
    int64_t start,
    const int32_t *path,
    int64_t length);

/* Places of a row's largest numbers, best first; of equals the first. Wants more than there are: only those there are. */
void hydra_top(const float *row, int64_t count, int32_t *places, int64_t wanted);

/* softmax(row / temperature), in place. */
void hydra_softmax(float *row, int64_t count, float temperature);

/* -sum p log(p + 1e-5) of probabilities. */
float hydra_entropy(const float *p, int64_t count);

/* Whether the processor has instructions for SHA-256. */
int32_t hydra_has_sha256(void);

/* What SHA-256 made of a message so far; zeros before its first byte. */
typedef struct {
    uint32_t state[8];
    int64_t bytes;
} hydra_sha256;

/* Adds whole blocks of 64 bytes to each message; two messages at once take hardly longer than one. */
void hydra_sha256_add(hydra_sha256 *messages, const uint8_t *const *parts, const int64_t *blocks, int64_t count);

/* Adds a message's last bytes, less than a block; the state is its digest then, 32 bytes. */
void hydra_sha256_end(hydra_sha256 *message, const uint8_t *part, int64_t bytes);

#pragma GCC visibility pop
