#include "images.h"

#include "vector.h"

static inline __attribute__((always_inline)) void add_one(const float *x, float bias, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = x[i] + bias;
}

static inline __attribute__((always_inline)) void add_blocks(
  const float *x, const float *bias, float *y, size_t pixels, size_t block) {
  float repeated[LANES];
  for (size_t i = 0; i < LANES; i++) repeated[i] = bias[i % block];
  const size_t n = pixels * block;
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (size_t lane = 0; lane < LANES; lane++) y[i + lane] = x[i + lane] + repeated[lane];
  for (; i < n; i++) y[i] = x[i] + repeated[i % LANES];
}

CLONES void lockstep_add_to_channels(
  const float *x, const float *bias, float *y, size_t batch, size_t channels, size_t pixels, size_t block) {
  const size_t step = block == 0 ? 1 : block;
  for (size_t n = 0; n < batch; n++)
    for (size_t c = 0; c < channels; c += step) {
      const size_t offset = (n * channels + c) * pixels;
      if (block == 0)
        add_one(x + offset, bias[c], y + offset, pixels);
      else
        add_blocks(x + offset, bias + c, y + offset, pixels, block);
    }
}

// Adds n elements to sums of so many rows of lanes: element i to lane i mod (ROWS · LANES).
#define ROWS 4

static inline __attribute__((always_inline)) void sum_lanes(const float *x, size_t n, float *sums) {
  float rows[ROWS][LANES] = {{0}};
  size_t i = 0;
  for (; i + ROWS * LANES <= n; i += ROWS * LANES)
    for (size_t row = 0; row < ROWS; row++)
      for (size_t lane = 0; lane < LANES; lane++) rows[row][lane] += x[i + row * LANES + lane];
  for (size_t row = 0; i < n; row++)
    for (size_t lane = 0; lane < LANES && i < n; lane++, i++) rows[row][lane] += x[i];
  for (size_t lane = 0; lane < LANES; lane++)
    sums[lane] = (rows[0][lane] + rows[2][lane]) + (rows[1][lane] + rows[3][lane]);
}

// An image's sums are made first and then added up, so that rounding grows with the sizes of both and not with their
// product.
CLONES void lockstep_sum_of_channels(
  const float *x, float *y, size_t batch, size_t channels, size_t pixels, size_t block) {
  for (size_t c = 0; c < channels; c++) y[c] = 0;
  const size_t step = block == 0 ? 1 : block;
  for (size_t n = 0; n < batch; n++)
    for (size_t c = 0; c < channels; c += step) {
      float sums[LANES];
      sum_lanes(x + (n * channels + c) * pixels, pixels * step, sums);
      if (block == 0)
        y[c] += sum_of_lanes(sums);
      else if (block == 8)
        for (size_t lane = 0; lane < 8; lane++) y[c + lane] += sums[lane] + sums[lane + 8];
      else
        for (size_t lane = 0; lane < LANES; lane++) y[c + lane] += sums[lane];
    }
}
