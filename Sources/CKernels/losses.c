#include <math.h>

#include "softmax_rows.h"

// log Σ_c exp(x[c] − largest): with the largest kept apart, differences of large logits lose nothing.
INLINE double log_sum_exp(const float *x, float largest, size_t c) {
  return log((double)sum_of_exponentials(x, largest, c));
}

CLONES void lockstep_cross_entropy(
  const float *x, const int32_t *labels, float smoothing, float *loss, size_t r, size_t c) {
  for (size_t row = 0; row < r; row++, x += c) {
    float largest = row_maximum(x, c);
    double logarithm = log_sum_exp(x, largest, c);
    double value = (double)(largest - x[labels[row]]) + logarithm;
    if (smoothing != 0) {
      double sum = 0;
      for (size_t i = 0; i < c; i++) sum += (double)(largest - x[i]);
      value = (1 - (double)smoothing) * value + (double)smoothing * (sum / (double)c + logarithm);
    }
    loss[row] = (float)value;
  }
}

CLONES void lockstep_cross_entropy_gradient(
  const float *x, const int32_t *labels, float smoothing, const float *dl, float *dx, size_t r, size_t c) {
  for (size_t row = 0; row < r; row++, x += c, dx += c) {
    float factor = dl[row];
    float inverse = factor / exponentials(x, dx, c);
    float share = factor * smoothing / (float)c;
    EACH for (size_t i = 0; i < c; i++) dx[i] = dx[i] * inverse - share;
    dx[labels[row]] -= factor * (1 - smoothing);
  }
}

CLONES void lockstep_soft_cross_entropy(
  const float *x, const float *target, float smoothing, float *loss, size_t r, size_t c) {
  float share = smoothing / (float)c;
  for (size_t row = 0; row < r; row++, x += c, target += c) {
    float largest = row_maximum(x, c);
    double logarithm = log_sum_exp(x, largest, c), value = 0;
    for (size_t i = 0; i < c; i++)
      value += (double)((1 - smoothing) * target[i] + share) * ((double)(largest - x[i]) + logarithm);
    loss[row] = (float)value;
  }
}

CLONES void lockstep_soft_cross_entropy_gradient(
  const float *x, const float *target, float smoothing, const float *dl, float *dx, size_t r, size_t c) {
  float share = smoothing / (float)c;
  for (size_t row = 0; row < r; row++, x += c, target += c, dx += c) {
    float factor = dl[row], total = 0;
    for (size_t i = 0; i < c; i++) total += (1 - smoothing) * target[i] + share;
    float inverse = factor * total / exponentials(x, dx, c);
    EACH for (size_t i = 0; i < c; i++) dx[i] = dx[i] * inverse - factor * ((1 - smoothing) * target[i] + share);
  }
}

// log(1 + u) for 0 ≤ u ≤ 1 as 2·artanh(u/(2 + u)), a series in a number of at most ⅓.
static inline __attribute__((always_inline)) float log_one_plus(float u) {
  float s = u / (2.0f + u), q = s * s;
  float p = 1.0f / 15.0f;
  p = p * q + 1.0f / 13.0f;
  p = p * q + 1.0f / 11.0f;
  p = p * q + 1.0f / 9.0f;
  p = p * q + 1.0f / 7.0f;
  p = p * q + 1.0f / 5.0f;
  p = p * q + 1.0f / 3.0f;
  p = p * q + 1.0f;
  return 2.0f * s * p;
}

static inline __attribute__((always_inline)) float value_loss(
  lockstep_value_loss_kind kind, float delta, float p, float t) {
  float distance = fabsf(p - t);
  switch (kind) {
    case lockstep_squared_loss: return distance * distance;
    case lockstep_absolute_loss: return distance;
    case lockstep_huber_loss: {
      // ½m² + δ(|d| − m) with m = min(|d|, δ) is both branches in one.
      float m = distance < delta ? distance : delta;
      return 0.5f * m * m + delta * (distance - m);
    }
    default: return (p > 0 ? p : 0) - p * t + log_one_plus(exponential(-fabsf(p)));
  }
}

static inline __attribute__((always_inline)) float value_slope(
  lockstep_value_loss_kind kind, float delta, float p, float t) {
  float difference = p - t;
  switch (kind) {
    case lockstep_squared_loss: return 2.0f * difference;
    case lockstep_absolute_loss: return (float)(difference > 0) - (float)(difference < 0);
    case lockstep_huber_loss:
      difference = difference > delta ? delta : difference;
      return difference < -delta ? -delta : difference;
    default: return 1.0f / (1.0f + exponential(-p)) - t;
  }
}

static inline __attribute__((always_inline)) void value_losses(
  lockstep_value_loss_kind kind, float delta, const float *p, const float *t, float *loss, size_t r, size_t c) {
  for (size_t row = 0; row < r; row++, p += c, t += c) {
    double lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= c; i += LANES)
      for (int l = 0; l < LANES; l++) lane[l] += (double)value_loss(kind, delta, p[i + l], t[i + l]);
    for (int l = 0; i < c; i++, l++) lane[l] += (double)value_loss(kind, delta, p[i], t[i]);
    double sum = 0;
    for (int l = 0; l < LANES; l++) sum += lane[l];
    loss[row] = (float)(sum / (double)c);
  }
}

static inline __attribute__((always_inline)) void value_slopes(
  lockstep_value_loss_kind kind, float delta, const float *p, const float *t, const float *dl, float *dx, size_t r,
  size_t c) {
  for (size_t row = 0; row < r; row++, p += c, t += c, dx += c) {
    float factor = dl[row] / (float)c;
    EACH for (size_t i = 0; i < c; i++) dx[i] = factor * value_slope(kind, delta, p[i], t[i]);
  }
}

// A loop for each kind, so that none decides inside.
#define EACH_KIND(call)                                                \
  switch (kind) {                                                      \
    case lockstep_squared_loss: call(lockstep_squared_loss); break;    \
    case lockstep_absolute_loss: call(lockstep_absolute_loss); break;  \
    case lockstep_huber_loss: call(lockstep_huber_loss); break;        \
    default: call(lockstep_binary_cross_entropy_loss);                 \
  }

CLONES void lockstep_value_loss(
  lockstep_value_loss_kind kind, float delta, const float *p, const float *t, float *loss, size_t r, size_t c) {
#define LOSSES(k) value_losses(k, delta, p, t, loss, r, c)
  EACH_KIND(LOSSES)
}

CLONES void lockstep_value_loss_gradient(
  lockstep_value_loss_kind kind, float delta, const float *p, const float *t, const float *dl, float *dx, size_t r,
  size_t c) {
#define SLOPES(k) value_slopes(k, delta, p, t, dl, dx, r, c)
  EACH_KIND(SLOPES)
}

// Whether the largest of a row is at this place, and at none before.
INLINE int is_largest(const float *x, size_t c, size_t place) {
  float largest = row_maximum(x, c);
  if (x[place] != largest) return 0;
  for (size_t i = 0; i < place; i++)
    if (x[i] == largest) return 0;
  return 1;
}

static size_t largest_place(const float *x, size_t c) {
  size_t best = 0;
  for (size_t i = 1; i < c; i++)
    if (x[i] > x[best]) best = i;
  return best;
}

CLONES size_t lockstep_count_correct(const float *x, const int32_t *labels, size_t r, size_t c) {
  size_t correct = 0;
  for (size_t row = 0; row < r; row++) correct += (size_t)is_largest(x + row * c, c, (size_t)labels[row]);
  return correct;
}

CLONES size_t lockstep_count_agreeing(const float *x, const float *target, size_t r, size_t c) {
  size_t agreeing = 0;
  for (size_t row = 0; row < r; row++)
    agreeing += (size_t)is_largest(x + row * c, c, largest_place(target + row * c, c));
  return agreeing;
}
