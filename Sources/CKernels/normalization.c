#include "normalization.h"

#include <string.h>

#include "lanes.h"

typedef struct {
  float mean, scale;
} statistics;

// Up to LANES elements of a row that has `left` more of them.
INLINE vector load(const float *x, size_t left, float rest) {
  return left >= LANES ? *(const vector *)x : first_lanes(x, left, rest);
}

INLINE void store(vector v, float *y, size_t left) {
  if (left >= LANES)
    *(vector *)y = v;
  else
    store_first_lanes(v, y, left);
}

INLINE statistics statistics_of(lockstep_normalization form, const float *x) {
  size_t c = form.columns;
  float mean = 0;
  if (form.is_centered) {
    vector sum = 0.0f;
    for (size_t i = 0; i < c; i += LANES) sum += load(x + i, c - i, 0.0f);
    mean = sum_of(sum) / (float)c;
  }
  vector squares = 0.0f;
  for (size_t i = 0; i < c; i += LANES) {
    vector distance = load(x + i, c - i, mean) - mean;
    squares = __builtin_elementwise_fma(distance, distance, squares);
  }
  float variance = sum_of(squares) / (float)c;
  return (statistics){mean, 1.0f / __builtin_elementwise_sqrt(variance + form.epsilon)};
}

INLINE vector normalized(statistics s, const float *x, size_t left) { return (load(x, left, 0.0f) - s.mean) * s.scale; }

INLINE void normalize_rows(
  lockstep_normalization form, const float *x, const float *weight, const float *bias, float *y) {
  size_t c = form.columns;
  for (size_t row = 0; row < form.rows; row++, x += c, y += c) {
    statistics s = statistics_of(form, x);
    for (size_t i = 0; i < c; i += LANES) {
      vector shift = bias ? load(bias + i, c - i, 0.0f) : (vector)0.0f;
      store(
        __builtin_elementwise_fma(normalized(s, x + i, c - i), load(weight + i, c - i, 0.0f), shift), y + i, c - i);
    }
  }
}

// With n the normalized row and g = dy · weight: dx = scale · (g − mean(g) − n · mean(g · n)), without the middle
// term where there is no centering.
INLINE void normalize_rows_input_gradient(
  lockstep_normalization form, const float *x, const float *weight, const float *dy, const float *carried, float *dx) {
  size_t c = form.columns;
  for (size_t row = 0; row < form.rows; row++, x += c, dy += c, dx += c) {
    statistics s = statistics_of(form, x);
    vector sums = 0.0f, products = 0.0f;
    for (size_t i = 0; i < c; i += LANES) {
      vector g = load(dy + i, c - i, 0.0f) * load(weight + i, c - i, 0.0f);
      sums += g;
      products = __builtin_elementwise_fma(g, normalized(s, x + i, c - i), products);
    }
    float mean = form.is_centered ? sum_of(sums) / (float)c : 0.0f;
    float slope = sum_of(products) / (float)c;
    for (size_t i = 0; i < c; i += LANES) {
      vector g = load(dy + i, c - i, 0.0f) * load(weight + i, c - i, 0.0f);
      vector rest = __builtin_elementwise_fma(normalized(s, x + i, c - i), (vector)-slope, g - mean);
      vector others = carried ? load(carried + row * c + i, c - i, 0.0f) : (vector)0.0f;
      store(__builtin_elementwise_fma(rest, (vector)s.scale, others), dx + i, c - i);
    }
  }
}

// Rows whose sums are added at once: the totals are read and written once for them.
#define ROWS 4

INLINE void add_rows(
  int rows, lockstep_normalization form, const float *x, const float *dy, float *dweight, float *dbias) {
  size_t c = form.columns;
  statistics s[ROWS];
  for (int r = 0; r < rows; r++) s[r] = statistics_of(form, x + (size_t)r * c);
  for (size_t i = 0; i < c; i += LANES) {
    vector slope = load(dweight + i, c - i, 0.0f), sum = dbias ? load(dbias + i, c - i, 0.0f) : (vector)0.0f;
    for (int r = 0; r < rows; r++) {
      size_t place = (size_t)r * c + i;
      vector g = load(dy + place, c - i, 0.0f);
      slope = __builtin_elementwise_fma(g, normalized(s[r], x + place, c - i), slope);
      sum += g;
    }
    store(slope, dweight + i, c - i);
    if (dbias) store(sum, dbias + i, c - i);
  }
}

CLONES void lockstep_normalize_rows_sums(
  lockstep_normalization form, const float *x, const float *dy, float *dweight, float *dbias) {
  size_t c = form.columns, row = 0;
  memset(dweight, 0, c * sizeof(float));
  if (dbias) memset(dbias, 0, c * sizeof(float));
  for (; row + ROWS <= form.rows; row += ROWS) add_rows(ROWS, form, x + row * c, dy + row * c, dweight, dbias);
  for (; row < form.rows; row++) add_rows(1, form, x + row * c, dy + row * c, dweight, dbias);
}

CLONES void lockstep_normalize_rows(
  lockstep_normalization form, const float *x, const float *weight, const float *bias, float *y) {
  normalize_rows(form, x, weight, bias, y);
}

CLONES void lockstep_normalize_rows_input_gradient(
  lockstep_normalization form, const float *x, const float *weight, const float *dy, const float *carried, float *dx) {
  normalize_rows_input_gradient(form, x, weight, dy, carried, dx);
}
