#include "vector.h"

// The two update rules in the most use take a gradient that may still be a sum of two, h being null otherwise: between two
// ranks that is the whole averaging, and the other rank's half arrives while the divisions are under way.
#define INLINE static inline __attribute__((always_inline))

INLINE void sgd(lockstep_sgd s, const float *g, const float *h, float *w, float *velocity, size_t n) {
  if (velocity == NULL) {
    for (size_t i = 0; i < n; i++) {
      float sum = h == NULL ? g[i] : g[i] + h[i];
      w[i] -= s.learning_rate * (sum * s.scale + s.weight_decay * w[i]);
    }
    return;
  }
  for (size_t i = 0; i < n; i++) {
    float sum = h == NULL ? g[i] : g[i] + h[i];
    float gradient = sum * s.scale + s.weight_decay * w[i];
    float v = s.momentum * velocity[i] + s.undampened * gradient;
    velocity[i] = v;
    w[i] -= s.learning_rate * (s.nesterov ? gradient + s.momentum * v : v);
  }
}

CLONES void lockstep_sgd_update(
  lockstep_sgd s, const float *g, const float *h, float *w, float *velocity, size_t n) {
  // A loop for each case: compilers make vectors of those that branch on nothing.
  lockstep_sgd plain = s, nesterov = s;
  plain.nesterov = 0;
  nesterov.nesterov = 1;
  if (h == NULL) {
    if (velocity == NULL) sgd(s, g, NULL, w, NULL, n);
    else if (s.nesterov) sgd(nesterov, g, NULL, w, velocity, n);
    else sgd(plain, g, NULL, w, velocity, n);
  } else {
    if (velocity == NULL) sgd(s, g, h, w, NULL, n);
    else if (s.nesterov) sgd(nesterov, g, h, w, velocity, n);
    else sgd(plain, g, h, w, velocity, n);
  }
}

INLINE void adam(lockstep_adam s, const float *g, const float *h, float *w, float *m, float *v, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float weight = w[i];
    float sum = h == NULL ? g[i] : g[i] + h[i];
    float gradient = sum * s.scale + s.l2 * weight;
    float first = s.beta1 * m[i] + s.rest1 * gradient;
    float second = s.beta2 * v[i] + s.rest2 * (gradient * gradient);
    m[i] = first;
    v[i] = second;
    float denominator = __builtin_elementwise_sqrt(second) * s.root_correction + s.epsilon;
    w[i] = weight * s.decay_factor - s.step_size * (first / denominator);
  }
}

CLONES void lockstep_adam_update(
  lockstep_adam s, const float *g, const float *h, float *w, float *m, float *v, size_t n) {
  if (h == NULL) adam(s, g, NULL, w, m, v, n);
  else adam(s, g, h, w, m, v, n);
}

INLINE float sign(float x) { return (float)((x > 0) - (x < 0)); }

CLONES void lockstep_rmsprop_update(
  lockstep_rmsprop s, const float *g, float *w, float *square, float *velocity, float *average, size_t n) {
  // The branches do not change in the loop; compilers make a loop of each.
  for (size_t i = 0; i < n; i++) {
    float gradient = g[i] * s.scale + s.weight_decay * w[i];
    float second = s.alpha * square[i] + s.rest * (gradient * gradient);
    square[i] = second;
    if (average != NULL) {
      float mean = s.alpha * average[i] + s.rest * gradient;
      average[i] = mean;
      second = second - mean * mean;
      // No variance is negative, yet rounding may make it so.
      second = second > 0 ? second : 0;
    }
    float step = gradient / (__builtin_elementwise_sqrt(second) + s.epsilon);
    if (velocity != NULL) {
      step = s.momentum * velocity[i] + step;
      velocity[i] = step;
    }
    w[i] -= s.learning_rate * step;
  }
}

CLONES void lockstep_adagrad_update(lockstep_adagrad s, const float *g, float *w, float *sum, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float gradient = g[i] * s.scale + s.weight_decay * w[i];
    float total = sum[i] + gradient * gradient;
    sum[i] = total;
    w[i] -= s.learning_rate * (gradient / (__builtin_elementwise_sqrt(total) + s.epsilon));
  }
}

CLONES void lockstep_lion_update(lockstep_lion s, const float *g, float *w, float *m, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float gradient = g[i] * s.scale;
    float direction = sign(s.beta1 * m[i] + s.rest1 * gradient);
    m[i] = s.beta2 * m[i] + s.rest2 * gradient;
    w[i] = w[i] * s.decay_factor - s.learning_rate * direction;
  }
}

CLONES void lockstep_lamb_direction(lockstep_adam s, float *g, const float *w, float *m, float *v, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float gradient = g[i] * s.scale;
    float first = s.beta1 * m[i] + s.rest1 * gradient;
    float second = s.beta2 * v[i] + s.rest2 * (gradient * gradient);
    m[i] = first;
    v[i] = second;
    float denominator = __builtin_elementwise_sqrt(second) * s.root_correction + s.epsilon;
    g[i] = s.step_size * (first / denominator) + s.l2 * w[i];
  }
}

CLONES void lockstep_penalize(float scale, float l1, float l2, float *g, const float *w, size_t n) {
  for (size_t i = 0; i < n; i++) g[i] = g[i] * scale + (l1 * sign(w[i]) + l2 * w[i]);
}

CLONES void lockstep_follow(float decay, float rest, const float *w, float *average, size_t n) {
  for (size_t i = 0; i < n; i++) average[i] = decay * average[i] + rest * w[i];
}

CLONES void lockstep_swap(float *a, float *b, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float kept = a[i];
    a[i] = b[i];
    b[i] = kept;
  }
}
