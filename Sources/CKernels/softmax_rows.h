// The parts of a softmax, a row at a time.
#pragma once
#include "vector.h"

static inline __attribute__((always_inline)) float row_maximum(const float *x, size_t c) {
  float largest = x[0];
  for (size_t i = 1; i < c; i++) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

// Fills e with exp(x − max) and returns its sum.
static inline __attribute__((always_inline)) float exponentials(const float *x, float *e, size_t c) {
  float largest = row_maximum(x, c);
  float lane[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= c; i += LANES)
    for (int l = 0; l < LANES; l++) {
      float value = exponential(x[i + l] - largest);
      e[i + l] = value;
      lane[l] += value;
    }
  for (int l = 0; i < c; i++, l++) {
    float value = exponential(x[i] - largest);
    e[i] = value;
    lane[l] += value;
  }
  return sum_of_lanes(lane);
}
