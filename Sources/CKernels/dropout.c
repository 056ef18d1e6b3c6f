#include "vector.h"

// Philox4x32-10 of 16 counters (block + l, 0, sample) at once: word j of counter l goes to words[j][l].
static inline __attribute__((always_inline)) void philox(
  uint32_t key0, uint32_t key1, uint64_t sample, uint32_t block, uint32_t words[4][LANES]) {
  uint32_t c0[LANES], c1[LANES], c2[LANES], c3[LANES];
  for (int l = 0; l < LANES; l++) {
    c0[l] = block + (uint32_t)l;
    c1[l] = 0;
    c2[l] = (uint32_t)sample;
    c3[l] = (uint32_t)(sample >> 32);
  }
  for (int round = 0; round < 10; round++) {
    for (int l = 0; l < LANES; l++) {
      uint64_t p0 = (uint64_t)0xD2511F53u * c0[l], p1 = (uint64_t)0xCD9E8D57u * c2[l];
      c0[l] = (uint32_t)(p1 >> 32) ^ c1[l] ^ key0;
      c1[l] = (uint32_t)p1;
      c2[l] = (uint32_t)(p0 >> 32) ^ c3[l] ^ key1;
      c3[l] = (uint32_t)p0;
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  for (int l = 0; l < LANES; l++) {
    words[0][l] = c0[l];
    words[1][l] = c1[l];
    words[2][l] = c2[l];
    words[3][l] = c3[l];
  }
}

CLONES void lockstep_dropout(
  uint32_t key0, uint32_t key1, uint64_t sample, uint32_t block, uint32_t threshold, float factor, const float *x,
  float *y, size_t n) {
  uint32_t words[4][LANES];
  const uint32_t *word = &words[0][0];
  size_t i = 0;
  for (; i + 64 <= n; i += 64, block += LANES) {
    philox(key0, key1, sample, block, words);
    for (int k = 0; k < 64; k++) y[i + k] = word[k] >= threshold ? x[i + k] * factor : 0.0f;
  }
  if (i == n) return;
  philox(key0, key1, sample, block, words);
  for (int k = 0; i < n; i++, k++) y[i] = word[k] >= threshold ? x[i] * factor : 0.0f;
}
