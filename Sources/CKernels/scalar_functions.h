// Functions of one number, in forms that compilers vectorize, for the loops that apply them.
#pragma once
#include "vector.h"

static inline __attribute__((always_inline)) float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

// Near zero Cephes' tanhf polynomial, elsewhere through exp, which would cancel near zero.
static inline __attribute__((always_inline)) float hyperbolic_tangent(float x) {
  float z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z + -5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z + -3.33332819422e-1f;
  float near = p * z * x + x;
  float far = 1.0f - 2.0f / (exponential(2.0f * x) + 1.0f);
  return z < 0.390625f ? near : far;
}

// A NaN stays a NaN: only numbers at or below zero become zero.
static inline __attribute__((always_inline)) float relu(float x) { return x <= 0.0f ? 0.0f : x; }
