#include "vector.h"

CLONES void lockstep_sgd_update(lockstep_sgd s, const float *g, float *w, float *velocity, size_t n) {
  if (velocity == NULL) {
    for (size_t i = 0; i < n; i++) w[i] -= s.learning_rate * (g[i] * s.scale + s.weight_decay * w[i]);
  } else if (s.nesterov) {
    for (size_t i = 0; i < n; i++) {
      float gradient = g[i] * s.scale + s.weight_decay * w[i];
      float v = s.momentum * velocity[i] + s.undampened * gradient;
      velocity[i] = v;
      w[i] -= s.learning_rate * (gradient + s.momentum * v);
    }
  } else {
    for (size_t i = 0; i < n; i++) {
      float gradient = g[i] * s.scale + s.weight_decay * w[i];
      float v = s.momentum * velocity[i] + s.undampened * gradient;
      velocity[i] = v;
      w[i] -= s.learning_rate * v;
    }
  }
}

CLONES void lockstep_adam_update(lockstep_adam s, const float *g, float *w, float *m, float *v, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float weight = w[i];
    float gradient = g[i] * s.scale + s.l2 * weight;
    float first = s.beta1 * m[i] + s.rest1 * gradient;
    float second = s.beta2 * v[i] + s.rest2 * (gradient * gradient);
    m[i] = first;
    v[i] = second;
    float denominator = __builtin_elementwise_sqrt(second) * s.root_correction + s.epsilon;
    w[i] = weight * s.decay_factor - s.step_size * (first / denominator);
  }
}

static inline __attribute__((always_inline)) float sign(float x) { return (float)((x > 0) - (x < 0)); }

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
