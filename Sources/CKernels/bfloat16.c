#include "vector.h"

// A bfloat16 is the upper half of a float. Half of the last bit that stays, less one, and that bit itself are added
// before the rest is cut off: to nearest, ties to even; what is too large becomes infinite. A NaN stays one, as a quiet one.
static inline __attribute__((always_inline)) uint32_t nearest_bfloat16(uint32_t bits) {
  uint32_t rounded = bits + 0x7FFFu + ((bits >> 16) & 1u);
  uint32_t quiet = bits | 0x00400000u;
  return ((bits & 0x7FFFFFFFu) > 0x7F800000u ? quiet : rounded) & 0xFFFF0000u;
}

static inline __attribute__((always_inline)) float rounded_to_bfloat16(float x) {
  union { float f; uint32_t i; } value = {.f = x};
  value.i = nearest_bfloat16(value.i);
  return value.f;
}

CLONES void lockstep_round_bfloat16(const float *x, float *y, size_t n) {
  EACH for (size_t i = 0; i < n; i++) y[i] = rounded_to_bfloat16(x[i]);
}

CLONES void lockstep_add_bfloat16(const float *a, const float *b, float *y, size_t n) {
  EACH for (size_t i = 0; i < n; i++) y[i] = rounded_to_bfloat16(a[i] + b[i]);
}

CLONES void lockstep_pack_bfloat16(const float *restrict x, void *restrict packed, size_t n) {
  uint16_t *restrict y = packed;
  for (size_t i = 0; i < n; i++) {
    union { float f; uint32_t i; } value = {.f = x[i]};
    y[i] = (uint16_t)(value.i >> 16);
  }
}

CLONES void lockstep_unpack_bfloat16(const void *restrict packed, float *restrict y, size_t n) {
  const uint16_t *restrict x = packed;
  for (size_t i = 0; i < n; i++) {
    union { uint32_t i; float f; } value = {.i = (uint32_t)x[i] << 16};
    y[i] = value.f;
  }
}
