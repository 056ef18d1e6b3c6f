#include "scalar_functions.h"

// Each loop reads an element of everything before it writes that element of anything: no iteration depends on another,
// though pointers may be equal.
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#define INLINE static inline __attribute__((always_inline))

CLONES void lockstep_rnn_step(
  lockstep_activation kind, const float *x, const float *u, float *y, size_t n) {
  if (u == NULL) {
    lockstep_activate(kind, x, y, n);
  } else if (kind == lockstep_activation_relu) {
    INDEPENDENT for (size_t i = 0; i < n; i++) y[i] = relu(x[i] + u[i]);
  } else {
    INDEPENDENT for (size_t i = 0; i < n; i++) y[i] = hyperbolic_tangent(x[i] + u[i]);
  }
}

CLONES void lockstep_rnn_step_gradient(
  lockstep_activation kind, const float *y, const float *dy, const float *carried, float *d, size_t n) {
  if (kind == lockstep_activation_relu) {
    INDEPENDENT for (size_t i = 0; i < n; i++) d[i] = y[i] <= 0.0f ? 0.0f : dy[i] + carried[i];
  } else {
    INDEPENDENT for (size_t i = 0; i < n; i++) d[i] = (dy[i] + carried[i]) * (1.0f - y[i] * y[i]);
  }
}

// The value, or 0 where there is none: the comparison is the same in every iteration and leaves the loop.
#define OR_ZERO(pointer, i) ((pointer) == NULL ? 0.0f : (pointer)[i])

INLINE void lstm_row(
  const float *x, const float *previous, float *gates, float *c, float *h, size_t n) {
  INDEPENDENT for (size_t j = 0; j < n; j++) {
    float i = x[j], f = x[n + j], g = x[2 * n + j], o = x[3 * n + j];
    if (previous != NULL) i += gates[j], f += gates[n + j], g += gates[2 * n + j], o += gates[3 * n + j];
    i = sigmoid(i), f = sigmoid(f), g = hyperbolic_tangent(g), o = sigmoid(o);
    float cell = f * OR_ZERO(previous, j) + i * g;
    gates[j] = i, gates[n + j] = f, gates[2 * n + j] = g, gates[3 * n + j] = o;
    c[j] = cell;
    h[j] = o * hyperbolic_tangent(cell);
  }
}

CLONES void lockstep_lstm_step(
  const float *x, const float *previous, float *gates, float *c, float *h, size_t b, size_t n) {
  for (size_t row = 0; row < b; row++)
    lstm_row(
      x + row * 4 * n, previous == NULL ? NULL : previous + row * n, gates + row * 4 * n, c + row * n,
      h + row * n, n);
}

INLINE void lstm_row_gradient(
  const float *gates, const float *c, const float *previous, const float *dh, const float *carried_h,
  float *carried_c, float *d, size_t n) {
  INDEPENDENT for (size_t j = 0; j < n; j++) {
    float i = gates[j], f = gates[n + j], g = gates[2 * n + j], o = gates[3 * n + j];
    float tanh_c = hyperbolic_tangent(c[j]);
    float arriving = dh[j] + carried_h[j];
    float dc = carried_c[j] + arriving * o * (1.0f - tanh_c * tanh_c);
    d[j] = dc * g * (i * (1.0f - i));
    d[n + j] = dc * OR_ZERO(previous, j) * (f * (1.0f - f));
    d[2 * n + j] = dc * i * (1.0f - g * g);
    d[3 * n + j] = arriving * tanh_c * (o * (1.0f - o));
    carried_c[j] = dc * f;
  }
}

CLONES void lockstep_lstm_step_gradient(
  const float *gates, const float *c, const float *previous, const float *dh, const float *carried_h,
  float *carried_c, float *d, size_t b, size_t n) {
  for (size_t row = 0; row < b; row++)
    lstm_row_gradient(
      gates + row * 4 * n, c + row * n, previous == NULL ? NULL : previous + row * n, dh + row * n,
      carried_h + row * n, carried_c + row * n, d + row * 4 * n, n);
}

INLINE void gru_row(
  const float *x, const float *bias, const float *previous, float *gates, float *h, size_t n) {
  INDEPENDENT for (size_t j = 0; j < n; j++) {
    float ur = 0.0f, uz = 0.0f, q = 0.0f;
    if (previous != NULL) ur = gates[j], uz = gates[n + j], q = gates[2 * n + j];
    if (bias != NULL) ur += bias[j], uz += bias[n + j], q += bias[2 * n + j];
    float r = sigmoid(x[j] + ur), z = sigmoid(x[n + j] + uz);
    float fresh = hyperbolic_tangent(x[2 * n + j] + r * q);
    gates[j] = r, gates[n + j] = z, gates[2 * n + j] = fresh, gates[3 * n + j] = q;
    h[j] = fresh + z * (OR_ZERO(previous, j) - fresh);
  }
}

CLONES void lockstep_gru_step(
  const float *x, const float *bias, const float *previous, float *gates, float *h, size_t b, size_t n) {
  for (size_t row = 0; row < b; row++)
    gru_row(
      x + row * 3 * n, bias, previous == NULL ? NULL : previous + row * n, gates + row * 4 * n, h + row * n, n);
}

INLINE void gru_row_gradient(
  const float *gates, const float *previous, const float *dh, float *carried, float *d, float *du, size_t n) {
  INDEPENDENT for (size_t j = 0; j < n; j++) {
    float r = gates[j], z = gates[n + j], fresh = gates[2 * n + j], q = gates[3 * n + j];
    float arriving = dh[j] + carried[j];
    float dz = arriving * (OR_ZERO(previous, j) - fresh) * (z * (1.0f - z));
    float dn = arriving * (1.0f - z) * (1.0f - fresh * fresh);
    float dr = dn * q * (r * (1.0f - r));
    d[j] = dr, d[n + j] = dz, d[2 * n + j] = dn;
    du[j] = dr, du[n + j] = dz, du[2 * n + j] = dn * r;
    carried[j] = arriving * z;
  }
}

CLONES void lockstep_gru_step_gradient(
  const float *gates, const float *previous, const float *dh, float *carried, float *d, float *du, size_t b,
  size_t n) {
  for (size_t row = 0; row < b; row++)
    gru_row_gradient(
      gates + row * 4 * n, previous == NULL ? NULL : previous + row * n, dh + row * n, carried + row * n,
      d + row * 3 * n, du + row * 3 * n, n);
}
