#include <math.h>

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

CLONES void lockstep_softmax(const float *x, float *y, size_t r, size_t c) {
  for (size_t row = 0; row < r; row++, x += c, y += c) {
    float inverse = 1.0f / exponentials(x, y, c);
    for (size_t i = 0; i < c; i++) y[i] *= inverse;
  }
}

CLONES void lockstep_softmax_gradient(const float *y, const float *dy, float *dx, size_t r, size_t c) {
  for (size_t row = 0; row < r; row++, y += c, dy += c, dx += c) {
    float lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= c; i += LANES)
      for (int l = 0; l < LANES; l++) lane[l] += y[i + l] * dy[i + l];
    for (int l = 0; i < c; i++, l++) lane[l] += y[i] * dy[i];
    float dot = sum_of_lanes(lane);
    for (size_t k = 0; k < c; k++) dx[k] = y[k] * (dy[k] - dot);
  }
}

CLONES float lockstep_cross_entropy(const float *x, const int32_t *labels, size_t r, size_t c) {
  double total = 0;
  for (size_t row = 0; row < r; row++, x += c) {
    float largest = row_maximum(x, c);
    float lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= c; i += LANES)
      for (int l = 0; l < LANES; l++) lane[l] += exponential(x[i + l] - largest);
    for (int l = 0; i < c; i++, l++) lane[l] += exponential(x[i] - largest);
    total += (double)(largest - x[labels[row]]) + log((double)sum_of_lanes(lane));
  }
  return (float)total;
}

CLONES void lockstep_cross_entropy_gradient(
  const float *x, const int32_t *labels, float factor, float *dx, size_t r, size_t c) {
  for (size_t row = 0; row < r; row++, x += c, dx += c) {
    float inverse = factor / exponentials(x, dx, c);
    for (size_t i = 0; i < c; i++) dx[i] *= inverse;
    dx[labels[row]] -= factor;
  }
}

size_t lockstep_count_correct(const float *x, const int32_t *labels, size_t r, size_t c) {
  size_t correct = 0;
  for (size_t row = 0; row < r; row++, x += c) {
    size_t best = 0;
    for (size_t i = 1; i < c; i++)
      if (x[i] > x[best]) best = i;
    correct += best == (size_t)labels[row];
  }
  return correct;
}

CLONES float lockstep_squared_error(const float *prediction, const float *target, size_t r, size_t c) {
  double lane[LANES] = {0};
  size_t n = r * c, i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) {
      double difference = (double)prediction[i + l] - (double)target[i + l];
      lane[l] += difference * difference;
    }
  for (int l = 0; i < n; i++, l++) {
    double difference = (double)prediction[i] - (double)target[i];
    lane[l] += difference * difference;
  }
  double total = 0;
  for (int l = 0; l < LANES; l++) total += lane[l];
  return (float)(total / (double)c);
}

CLONES void lockstep_difference(const float *prediction, const float *target, float factor, float *dx, size_t n) {
  for (size_t i = 0; i < n; i++) dx[i] = factor * (prediction[i] - target[i]);
}
