#include "scalar_functions.h"

// PyTorch's default.
#define LEAKY_SLOPE 0.01f

static inline __attribute__((always_inline)) float leaky_relu(float x) { return x > 0.0f ? x : LEAKY_SLOPE * x; }

// A number's magnitude, at most 14: beyond, GELU is 0 or x to single precision. A NaN passes.
static inline __attribute__((always_inline)) float magnitude_up_to_14(float x) {
  float magnitude = __builtin_fabsf(x);
  return magnitude > 14.0f ? 14.0f : magnitude;
}

// Φ(−x), the share of a normal distribution below −x, for 0 ≤ x ≤ 14, with e = e^(−x²/2): e · t·p(t), where
// t = 1 / (1 + 11/32·x). What is left beside the exponential (Mills' ratio) is so smooth in t that p, fitted for the
// smallest relative error (2.3e-8), needs nine coefficients. Rounding included, it is within 3e-7 near 0.
static inline __attribute__((always_inline)) float normal_tail(float x, float e) {
  float t = 1.0f / __builtin_fmaf(0.34375f, x, 1.0f);
  float p = -0.02780932f;
  p = __builtin_fmaf(p, t, 0.14384909f);
  p = __builtin_fmaf(p, t, -0.2717139f);
  p = __builtin_fmaf(p, t, 0.19092092f);
  p = __builtin_fmaf(p, t, -0.03930715f);
  p = __builtin_fmaf(p, t, 0.11265799f);
  p = __builtin_fmaf(p, t, 0.11674045f);
  p = __builtin_fmaf(p, t, 0.13754228f);
  p = __builtin_fmaf(p, t, 0.13711967f);
  return e * (p * t);
}

// x, kept in a range beyond which a function is 0 or x to single precision, and within which nothing becomes
// subnormal. A NaN passes.
static inline __attribute__((always_inline)) float bounded(float x, float bound) {
  float below = x > bound ? bound : x;
  return below < -bound ? -bound : below;
}

static inline __attribute__((always_inline)) float gelu(float x) {
  float m = magnitude_up_to_14(x);
  float tail = normal_tail(m, exponential_up_to_88(-0.5f * (m * m)));
  return x * (x < 0.0f ? tail : 1.0f - tail);
}

// Φ(x) + x·φ(x), φ(x) = e^(−x²/2) / √(2π)
static inline __attribute__((always_inline)) float gelu_derivative(float x) {
  float m = magnitude_up_to_14(x);
  float e = exponential_up_to_88(-0.5f * (m * m));
  // Of −|x|; that of |x| is what is missing to 1.
  float below = __builtin_fmaf(m * e, -0.39894228f, normal_tail(m, e));
  return x < 0.0f ? below : 1.0f - below;
}

// σ(2√(2/π)·(x + 0.044715·x³)): half of 1 + tanh of half the argument, without its cancellation.
static inline __attribute__((always_inline)) float gelu_tanh_share(float x) {
  return sigmoid(1.5957691f * (x + 0.044715f * (x * x * x)));
}

static inline __attribute__((always_inline)) float gelu_tanh(float x) {
  float b = bounded(x, 9.5f);
  return (x > 9.5f ? x : b) * gelu_tanh_share(b);
}

static inline __attribute__((always_inline)) float gelu_tanh_derivative(float x) {
  float b = bounded(x, 9.5f);
  float share = gelu_tanh_share(b);
  float slope = 1.5957691f * (1.0f + 0.134145f * (b * b));
  return share + b * (share * (1.0f - share)) * slope;
}

static inline __attribute__((always_inline)) float silu(float x) {
  float b = bounded(x, 80.0f);
  return (x > 80.0f ? x : b) * sigmoid(b);
}

static inline __attribute__((always_inline)) float silu_derivative(float x) {
  float b = bounded(x, 80.0f);
  float share = sigmoid(b);
  return share * (1.0f + b * (1.0f - share));
}

#define CASE(kind, count, statement)                     \
  case lockstep_activation_##kind:                       \
    EACH for (size_t i = 0; i < count; i++) statement;   \
    break;

CLONES void lockstep_activate(lockstep_activation kind, const float *x, float *y, size_t n) {
  switch (kind) {
    CASE(none, n, y[i] = x[i])
    CASE(sigmoid, n, y[i] = sigmoid(x[i]))
    CASE(tanh, n, y[i] = hyperbolic_tangent(x[i]))
    CASE(relu, n, y[i] = relu(x[i]))
    CASE(leaky_relu, n, y[i] = leaky_relu(x[i]))
    CASE(gelu, n, y[i] = gelu(x[i]))
    CASE(gelu_tanh, n, y[i] = gelu_tanh(x[i]))
    CASE(silu, n, y[i] = silu(x[i]))
  }
}

CLONES void lockstep_bias_activate(lockstep_activation kind, const float *bias, float *y, size_t r, size_t c) {
  if (bias == NULL) {
    lockstep_activate(kind, y, y, r * c);
    return;
  }
  for (size_t row = 0; row < r; row++) {
    float *x = y + row * c;
    switch (kind) {
      CASE(none, c, x[i] = x[i] + bias[i])
      CASE(sigmoid, c, x[i] = sigmoid(x[i] + bias[i]))
      CASE(tanh, c, x[i] = hyperbolic_tangent(x[i] + bias[i]))
      CASE(relu, c, x[i] = relu(x[i] + bias[i]))
      CASE(leaky_relu, c, x[i] = leaky_relu(x[i] + bias[i]))
      CASE(gelu, c, x[i] = gelu(x[i] + bias[i]))
      CASE(gelu_tanh, c, x[i] = gelu_tanh(x[i] + bias[i]))
      CASE(silu, c, x[i] = silu(x[i] + bias[i]))
    }
  }
}

CLONES void lockstep_bias_residual(const float *bias, const float *residual, float *y, size_t r, size_t c) {
  if (bias == NULL) {
    lockstep_add(y, residual, y, r * c);
    return;
  }
  for (size_t row = 0; row < r; row++, y += c, residual += c)
    EACH for (size_t i = 0; i < c; i++) y[i] = (y[i] + bias[i]) + residual[i];
}

CLONES void lockstep_activation_gradient(
  lockstep_activation kind, const float *from, const float *dy, float *dx, size_t n) {
  const float *x = from, *y = from;
  switch (kind) {
    CASE(none, n, dx[i] = dy[i])
    CASE(sigmoid, n, dx[i] = dy[i] * (y[i] * (1.0f - y[i])))
    CASE(tanh, n, dx[i] = dy[i] * (1.0f - y[i] * y[i]))
    CASE(relu, n, dx[i] = y[i] <= 0.0f ? 0.0f : dy[i])
    CASE(leaky_relu, n, dx[i] = y[i] > 0.0f ? dy[i] : LEAKY_SLOPE * dy[i])
    CASE(gelu, n, dx[i] = dy[i] * gelu_derivative(x[i]))
    CASE(gelu_tanh, n, dx[i] = dy[i] * gelu_tanh_derivative(x[i]))
    CASE(silu, n, dx[i] = dy[i] * silu_derivative(x[i]))
  }
}
