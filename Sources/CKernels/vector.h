// What the loops of this module share: one clone per instruction set, and exp in a form that compilers vectorize.
#pragma once
#include "kernels.h"

#pragma STDC FP_CONTRACT OFF

#if defined(__x86_64__) && defined(__linux__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "avx2", "default"), min_vector_width(512)))
#else
#define CLONES
#endif

#define LANES 16

// Before a loop that writes element i of a result after it has read elements i alone. Pointers are equal or apart, so
// it may run in vectors unchecked; the check that it would get otherwise finds them equal, as plans use to call these
// functions, and chooses a loop without vectors.
#define EACH _Pragma("clang loop vectorize(assume_safety)")

// exp(x): x = n·ln 2 + r with |r| ≤ ln 2 / 2, a polynomial in r (Cephes' expf coefficients), 2ⁿ through the exponent
// bits. Within 2 ulp for −87.3 ≤ x ≤ 88.3; smaller x give 0, larger ones the largest value of the range.
static inline __attribute__((always_inline)) float exponential(float x) {
  float bounded = x > 88.3f ? 88.3f : x;
  bounded = bounded < -87.3f ? -87.3f : bounded;
  const float magic = 12582912.0f;  // 1.5·2²³: adding it rounds to an integer in the low bits
  float shifted = bounded * 1.44269504088896341f + magic;
  float n = shifted - magic;
  float r = bounded - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  union { float f; int32_t i; } power, exponent = {.f = shifted};
  // The magic number's low bits hold n; 127 is the exponent's bias.
  power.i = (int32_t)((uint32_t)(exponent.i - 0x4B400000 + 127) << 23);
  float result = p * power.f;
  // A NaN passes through: it fails both comparisons above and this one.
  return x < -87.3f ? 0.0f : result;
}

static inline __attribute__((always_inline)) float sum_of_lanes(const float *lane) {
  float a[8], b[4];
  for (int i = 0; i < 8; i++) a[i] = lane[i] + lane[i + 8];
  for (int i = 0; i < 4; i++) b[i] = a[i] + a[i + 4];
  return (b[0] + b[2]) + (b[1] + b[3]);
}
