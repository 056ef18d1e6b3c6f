// The parts of a softmax, a row at a time.
#pragma once
#include <math.h>

#include "lanes.h"

// The largest number of a row.
INLINE float row_maximum(const float *x, size_t c) {
  vector most = -INFINITY;
  size_t i = 0;
  for (; i + LANES <= c; i += LANES) most = larger(most, *(const vector *)(x + i));
  if (i < c) most = larger(most, first_lanes(x + i, c - i, -INFINITY));
  return largest_of(most);
}

// Σ exp(x − largest)
INLINE float sum_of_exponentials(const float *x, float largest, size_t c) {
  vector sum = 0.0f;
  size_t i = 0;
  for (; i + LANES <= c; i += LANES) sum += exponentials_up_to_88(*(const vector *)(x + i) - largest);
  if (i < c) sum += exponentials_up_to_88(first_lanes(x + i, c - i, -INFINITY) - largest);
  return sum_of(sum);
}

// Fills e with exp(x − max) and returns its sum. e may be x.
INLINE float exponentials(const float *x, float *e, size_t c) {
  float largest = row_maximum(x, c);
  vector sum = 0.0f;
  size_t i = 0;
  for (; i + LANES <= c; i += LANES) {
    vector value = exponentials_up_to_88(*(const vector *)(x + i) - largest);
    *(vector *)(e + i) = value;
    sum += value;
  }
  if (i < c) {
    vector value = exponentials_up_to_88(first_lanes(x + i, c - i, -INFINITY) - largest);
    store_first_lanes(value, e + i, c - i);
    sum += value;
  }
  return sum_of(sum);
}
