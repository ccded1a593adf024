#include "kernels.h"
#include <immintrin.h>
#include <string.h>

/*
 * SHA-256 (FIPS 180-4) by the processor's instructions. Each of the 32 pairs of rounds waits for the one before it, so two
 * messages side by side take hardly longer than one.
 */

#define TOGETHER 2
#define BLOCK 64
#define WITH_SHA __attribute__((target("sha,sse4.1")))

/* The halves of the state as the instructions want them. */
typedef struct {
    __m128i abef;
    __m128i cdgh;
} state;

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

int32_t hydra_has_sha256(void) {
    return __builtin_cpu_supports("sha") && __builtin_cpu_supports("sse4.1");
}

WITH_SHA INLINE __m128i bytes_of_words(__m128i words) {
    return _mm_shuffle_epi8(words, _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
}

/* One block of each message. */
WITH_SHA INLINE void add_block(state *s, const uint8_t *const *data, int count) {
    state before[TOGETHER];
    __m128i words[TOGETHER][4];
    for (int m = 0; m < count; m++) {
        before[m] = s[m];
        for (int i = 0; i < 4; i++) words[m][i] = bytes_of_words(_mm_loadu_si128((const __m128i *)data[m] + i));
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        const __m128i k = _mm_loadu_si128((const __m128i *)constants + i);
#pragma GCC unroll 2
        for (int m = 0; m < count; m++) {
            const __m128i now = words[m][i % 4], last = words[m][(i + 3) % 4];
            const __m128i four = _mm_add_epi32(now, k);
            s[m].cdgh = _mm_sha256rnds2_epu32(s[m].cdgh, s[m].abef, four);
            s[m].abef = _mm_sha256rnds2_epu32(s[m].abef, s[m].cdgh, _mm_shuffle_epi32(four, 0x0e));
            if (i >= 12) continue;
            const __m128i next = _mm_add_epi32(
                _mm_sha256msg1_epu32(now, words[m][(i + 1) % 4]), _mm_alignr_epi8(last, words[m][(i + 2) % 4], 4));
            words[m][i % 4] = _mm_sha256msg2_epu32(next, last);
        }
    }
    for (int m = 0; m < count; m++) {
        s[m].abef = _mm_add_epi32(s[m].abef, before[m].abef);
        s[m].cdgh = _mm_add_epi32(s[m].cdgh, before[m].cdgh);
    }
}

/* The state as FIPS 180-4 has it, a to h. */
WITH_SHA static state loaded(const hydra_sha256 *message) {
    static const uint32_t first[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const uint32_t *words = message->bytes ? message->state : first;
    const __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)words), 0xb1);
    const __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)words + 1), 0x1b);
    return (state){_mm_alignr_epi8(badc, hgfe, 8), _mm_blend_epi16(hgfe, badc, 0xf0)};
}

WITH_SHA static void save(const state *s, hydra_sha256 *message) {
    const __m128i feba = _mm_shuffle_epi32(s->abef, 0x1b), dchg = _mm_shuffle_epi32(s->cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)message->state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)message->state + 1, _mm_alignr_epi8(dchg, feba, 8));
}

WITH_SHA static void add_alone(state *s, const uint8_t *part, int64_t blocks) {
    for (int64_t i = 0; i < blocks; i++, part += BLOCK) add_block(s, &part, 1);
}

WITH_SHA static void add_to_both(state *s, const uint8_t *const *parts, int64_t blocks) {
    for (int64_t i = 0; i < blocks; i++) {
        const uint8_t *const data[TOGETHER] = {parts[0] + i * BLOCK, parts[1] + i * BLOCK};
        add_block(s, data, TOGETHER);
    }
}

WITH_SHA void hydra_sha256_add(
    hydra_sha256 *messages, const uint8_t *const *parts, const int64_t *blocks, int64_t count) {
    for (int64_t from = 0; from < count; from += TOGETHER) {
        const int64_t now = at_most(TOGETHER, count - from);
        state s[TOGETHER];
        for (int64_t m = 0; m < now; m++) s[m] = loaded(messages + from + m);
        const int64_t both = now == TOGETHER ? at_most(blocks[from], blocks[from + 1]) : 0;
        add_to_both(s, parts + from, both);
        for (int64_t m = 0; m < now; m++) {
            if (!blocks[from + m]) continue;
            add_alone(s + m, parts[from + m] + both * BLOCK, blocks[from + m] - both);
            save(s + m, messages + from + m);
            messages[from + m].bytes += blocks[from + m] * BLOCK;
        }
    }
}

/* What is left of a message, a bit, zeros and the message's length in bits. */
WITH_SHA void hydra_sha256_end(hydra_sha256 *message, const uint8_t *part, int64_t bytes) {
    uint8_t end[2 * BLOCK] = {0};
    const int64_t blocks = bytes < BLOCK - 8 ? 1 : 2;
    memcpy(end, part, bytes);
    end[bytes] = 0x80;
    const uint64_t bits = __builtin_bswap64((uint64_t)(message->bytes + bytes) * 8);
    memcpy(end + blocks * BLOCK - 8, &bits, 8);
    state s = loaded(message);
    add_alone(&s, end, blocks);
    save(&s, message);
    for (int i = 0; i < 8; i++) message->state[i] = __builtin_bswap32(message->state[i]);
}
