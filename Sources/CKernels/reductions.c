#include <string.h>

#include "vector.h"

static inline __attribute__((always_inline)) float row_sum(const float *x, size_t n) {
  float lane[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) lane[l] += x[i + l];
  for (int l = 0; i < n; i++, l++) lane[l] += x[i];
  return sum_of_lanes(lane);
}

CLONES void lockstep_reduce_sum(const float *x, float *y, size_t outer, size_t axis, size_t inner) {
  for (size_t o = 0; o < outer; o++) {
    const float *block = x + o * axis * inner;
    float *sum = y + o * inner;
    if (inner == 1) {
      *sum = row_sum(block, axis);
      continue;
    }
    memset(sum, 0, inner * sizeof(float));
    for (size_t a = 0; a < axis; a++)
      for (size_t i = 0; i < inner; i++) sum[i] += block[a * inner + i];
  }
}

CLONES void lockstep_broadcast(const float *x, float *y, size_t outer, size_t axis, size_t inner) {
  for (size_t o = 0; o < outer; o++)
    for (size_t a = 0; a < axis; a++)
      for (size_t i = 0; i < inner; i++) y[(o * axis + a) * inner + i] = x[o * inner + i];
}
