// What the loops of this module share: one clone per instruction set, and exp in a form that compilers vectorize. Where
// multiplications and additions are fused, they are so explicitly, and so everywhere: without such instructions (before
// 2013) the loops are right, but slow.
#pragma once
#include "kernels.h"

#pragma STDC FP_CONTRACT OFF

#if defined(__x86_64__) && defined(__linux__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), min_vector_width(512)))
#else
#define CLONES
#endif

#define LANES 16

// Before a loop that writes element i of a result after it has read elements i alone. Pointers are equal or apart, so
// it may run in vectors unchecked; the check that it would get otherwise finds them equal, as plans use to call these
// functions, and chooses a loop without vectors.
#define EACH _Pragma("clang loop vectorize(assume_safety)")

// exp(x) = 2ⁿ·2^r with n + r = x·log₂ e and |r| ≤ ½: a polynomial in r of relative error 2e-9, 2ⁿ through the exponent
// bits. Within 2 ulp for −87.3 ≤ x ≤ 88.3, 0 below. A NaN passes.
static inline __attribute__((always_inline)) float exponential_up_to_88(float x) {
  // Adding 1.5·2²³ rounds to an integer in the low bits; 127 is the exponent's bias.
  const float magic = 12582912.0f + 127.0f;
  union { float f; uint32_t i; } shifted = {.f = __builtin_fmaf(x, 1.44269502f, magic)}, power;
  // log₂ e in two parts: what the first leaves out would show in large x.
  float r = __builtin_fmaf(x, 1.92596303e-8f, __builtin_fmaf(x, 1.44269502f, magic - shifted.f));
  float p = 1.5353362e-4f;
  p = __builtin_fmaf(p, r, 1.3398875e-3f);
  p = __builtin_fmaf(p, r, 9.61843692e-3f);
  p = __builtin_fmaf(p, r, 5.55033237e-2f);
  p = __builtin_fmaf(p, r, 2.40226477e-1f);
  p = __builtin_fmaf(p, r, 6.93147182e-1f);
  p = __builtin_fmaf(p, r, 1.0f);
  power.i = shifted.i << 23;
  float result = p * power.f;
  return x < -87.3f ? 0.0f : result;
}

// The same for all x; above 88.3 the largest value of the range.
static inline __attribute__((always_inline)) float exponential(float x) {
  return exponential_up_to_88(x > 88.3f ? 88.3f : x);
}

static inline __attribute__((always_inline)) float sum_of_lanes(const float *lane) {
  float a[8], b[4];
  for (int i = 0; i < 8; i++) a[i] = lane[i] + lane[i + 8];
  for (int i = 0; i < 4; i++) b[i] = a[i] + a[i + 4];
  return (b[0] + b[2]) + (b[1] + b[3]);
}
