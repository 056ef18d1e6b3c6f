#include "vector.h"

CLONES void lockstep_add(const float *a, const float *b, float *y, size_t n) {
  EACH for (size_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

CLONES void lockstep_multiply(const float *a, const float *b, float *y, size_t n) {
  EACH for (size_t i = 0; i < n; i++) y[i] = a[i] * b[i];
}

CLONES void lockstep_scale(const float *x, float factor, float *y, size_t n) {
  EACH for (size_t i = 0; i < n; i++) y[i] = x[i] * factor;
}

CLONES uint32_t lockstep_largest_magnitude(const float *x, size_t n) {
  const uint32_t *bits = (const uint32_t *)(const void *)x;
  uint32_t largest = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t magnitude = bits[i] & 0x7FFFFFFFu;
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

CLONES double lockstep_sum_of_squares(const float *x, float factor, size_t n) {
  double lane[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) {
      double value = (double)(x[i + l] * factor);
      lane[l] += value * value;
    }
  for (int l = 0; i < n; i++, l++) {
    double value = (double)(x[i] * factor);
    lane[l] += value * value;
  }
  double sum = 0;
  for (int l = 0; l < LANES; l++) sum += lane[l];
  return sum;
}
