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
