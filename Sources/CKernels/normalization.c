#include "normalization.h"

#include <string.h>

#include "vector.h"

typedef struct {
  float mean, scale;
} statistics;

static inline __attribute__((always_inline)) statistics statistics_of(lockstep_normalization form, const float *x) {
  size_t c = form.columns, i = 0;
  float mean = 0;
  if (form.is_centered) {
    float lane[LANES] = {0};
    for (; i + LANES <= c; i += LANES)
      for (int l = 0; l < LANES; l++) lane[l] += x[i + l];
    for (int l = 0; i < c; i++, l++) lane[l] += x[i];
    mean = sum_of_lanes(lane) / (float)c;
  }
  float lane[LANES] = {0};
  for (i = 0; i + LANES <= c; i += LANES)
    for (int l = 0; l < LANES; l++) {
      float distance = x[i + l] - mean;
      lane[l] += distance * distance;
    }
  for (int l = 0; i < c; i++, l++) {
    float distance = x[i] - mean;
    lane[l] += distance * distance;
  }
  float variance = sum_of_lanes(lane) / (float)c;
  return (statistics){mean, 1.0f / __builtin_elementwise_sqrt(variance + form.epsilon)};
}

CLONES void lockstep_normalize_rows(
  lockstep_normalization form, const float *x, const float *weight, const float *bias, float *y) {
  size_t c = form.columns;
  for (size_t row = 0; row < form.rows; row++, x += c, y += c) {
    statistics s = statistics_of(form, x);
    if (bias)
      EACH for (size_t i = 0; i < c; i++) y[i] = (x[i] - s.mean) * s.scale * weight[i] + bias[i];
    else
      EACH for (size_t i = 0; i < c; i++) y[i] = (x[i] - s.mean) * s.scale * weight[i];
  }
}

// With n the normalized row and g = dy · weight: dx = scale · (g − mean(g) − n · mean(g · n)), without the middle
// term where there is no centering.
CLONES void lockstep_normalize_rows_input_gradient(
  lockstep_normalization form, const float *x, const float *weight, const float *dy, float *dx) {
  size_t c = form.columns;
  for (size_t row = 0; row < form.rows; row++, x += c, dy += c, dx += c) {
    statistics s = statistics_of(form, x);
    float sums[LANES] = {0}, products[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= c; i += LANES)
      for (int l = 0; l < LANES; l++) {
        float g = dy[i + l] * weight[i + l];
        sums[l] += g;
        products[l] += g * ((x[i + l] - s.mean) * s.scale);
      }
    for (int l = 0; i < c; i++, l++) {
      float g = dy[i] * weight[i];
      sums[l] += g;
      products[l] += g * ((x[i] - s.mean) * s.scale);
    }
    float mean = form.is_centered ? sum_of_lanes(sums) / (float)c : 0.0f;
    float slope = sum_of_lanes(products) / (float)c;
    EACH for (size_t k = 0; k < c; k++) {
      float normalized = (x[k] - s.mean) * s.scale;
      dx[k] = s.scale * (dy[k] * weight[k] - mean - normalized * slope);
    }
  }
}

CLONES void lockstep_normalize_rows_weight_gradient(
  lockstep_normalization form, const float *x, const float *dy, float *dweight) {
  size_t c = form.columns;
  memset(dweight, 0, c * sizeof(float));
  for (size_t row = 0; row < form.rows; row++, x += c, dy += c) {
    statistics s = statistics_of(form, x);
    EACH for (size_t i = 0; i < c; i++) dweight[i] += dy[i] * ((x[i] - s.mean) * s.scale);
  }
}
