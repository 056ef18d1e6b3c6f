#include "scalar_functions.h"

CLONES void lockstep_activate(lockstep_activation kind, const float *x, float *y, size_t n) {
  switch (kind) {
    case lockstep_activation_none: for (size_t i = 0; i < n; i++) y[i] = x[i]; break;
    case lockstep_activation_sigmoid: for (size_t i = 0; i < n; i++) y[i] = sigmoid(x[i]); break;
    case lockstep_activation_tanh: for (size_t i = 0; i < n; i++) y[i] = hyperbolic_tangent(x[i]); break;
    case lockstep_activation_relu: for (size_t i = 0; i < n; i++) y[i] = relu(x[i]); break;
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
      case lockstep_activation_none: for (size_t i = 0; i < c; i++) x[i] = x[i] + bias[i]; break;
      case lockstep_activation_sigmoid: for (size_t i = 0; i < c; i++) x[i] = sigmoid(x[i] + bias[i]); break;
      case lockstep_activation_tanh: for (size_t i = 0; i < c; i++) x[i] = hyperbolic_tangent(x[i] + bias[i]); break;
      case lockstep_activation_relu: for (size_t i = 0; i < c; i++) x[i] = relu(x[i] + bias[i]); break;
    }
  }
}

CLONES void lockstep_activation_gradient(
  lockstep_activation kind, const float *y, const float *dy, float *dx, size_t n) {
  switch (kind) {
    case lockstep_activation_none: for (size_t i = 0; i < n; i++) dx[i] = dy[i]; break;
    case lockstep_activation_sigmoid: for (size_t i = 0; i < n; i++) dx[i] = dy[i] * (y[i] * (1.0f - y[i])); break;
    case lockstep_activation_tanh: for (size_t i = 0; i < n; i++) dx[i] = dy[i] * (1.0f - y[i] * y[i]); break;
    case lockstep_activation_relu: for (size_t i = 0; i < n; i++) dx[i] = y[i] <= 0.0f ? 0.0f : dy[i]; break;
  }
}
