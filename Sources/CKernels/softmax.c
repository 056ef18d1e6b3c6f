#include "softmax_rows.h"

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
    EACH for (size_t k = 0; k < c; k++) dx[k] = y[k] * (dy[k] - dot);
  }
}
