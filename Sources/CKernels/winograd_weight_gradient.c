// The gradient of the weights: of each point the sum over all tiles of source times gradient, an outer product over
// channels. Sums are made within a group of tiles first and then added up, so that rounding grows with the sizes of
// both and not with their product.
#include <string.h>

#include "winograd_tiles.h"

INLINE void transform_gradient(
  const lockstep_winograd *f, const run_of_tiles *run, size_t slot, const float *dy, float *points) {
  const size_t channels = f->result_channels, width = f->result_width;
  for (size_t k = 0; k < channels; k += LANES)
    for (size_t t = 0; t < run->count; t++) {
      const tile from = tile_at(f, run, t, k);
      vector h[6][TILE];
      UNROLL for (size_t q = 0; q < TILE; q++) {
        vector column[TILE], w[6];
        UNROLL for (size_t r = 0; r < TILE; r++) {
          const float *pixel = dy + from.offset + (r * width + q) * LANES;
          __builtin_prefetch(pixel + ROWS_AHEAD * TILE * width * LANES, 0, 2);
          column[r] = r < from.height && q < from.width ? LOAD(pixel) : all(0.0f);
        }
        gradient_points(column, w);
        UNROLL for (size_t r = 0; r < 6; r++) h[r][q] = w[r];
      }
      UNROLL for (size_t r = 0; r < 6; r++) {
        vector w[6];
        gradient_points(h[r], w);
        UNROLL for (size_t q = 0; q < 6; q++)
          STORE(points + point_offset(r * 6 + q, channels, k, slot + t), w[q]);
      }
    }
}

// Adds the products of ROWS channels of the source with BLOCKS · 16 of the gradient over so many tiles.
#define OUTER_PRODUCT(name, ROWS, BLOCKS)                                                                           \
  INLINE void name(const float *source, const float *dy, float *weights, size_t tiles, size_t channels) {           \
    vector sum[ROWS][BLOCKS];                                                                                       \
    UNROLL for (size_t i = 0; i < ROWS; i++) UNROLL for (size_t b = 0; b < BLOCKS; b++) sum[i][b] = all(0.0f);      \
    for (size_t t = 0; t < tiles; t++) {                                                                            \
      vector d[BLOCKS];                                                                                             \
      UNROLL for (size_t b = 0; b < BLOCKS; b++) d[b] = LOAD(dy + (b * SLOTS + t) * LANES);                         \
      UNROLL for (size_t i = 0; i < ROWS; i++)                                                                      \
        UNROLL for (size_t b = 0; b < BLOCKS; b++) sum[i][b] = FMA(all(source[t * LANES + i]), d[b], sum[i][b]);    \
    }                                                                                                               \
    UNROLL for (size_t i = 0; i < ROWS; i++)                                                                        \
      UNROLL for (size_t b = 0; b < BLOCKS; b++) {                                                                  \
        float *to = weights + (b * channels + i) * LANES;                                                           \
        STORE(to, LOAD(to) + sum[i][b]);                                                                            \
      }                                                                                                             \
  }

OUTER_PRODUCT(multiply_16_rows, 16, 1)
OUTER_PRODUCT(multiply_8_rows, 8, 2)

INLINE void add_products(const lockstep_winograd *f, const work_space *w, size_t tiles) {
  const size_t sources = f->source_channels, results = f->result_channels;
  for (size_t p = 0; p < POINTS; p++)
    for (size_t c = 0; c < sources; c += LANES) {
      const float *source = w->source + point_offset(p, sources, c, 0);
      size_t k = 0;
      for (; k + 2 * LANES <= results; k += 2 * LANES)
        for (size_t row = 0; row < LANES; row += 8)
          multiply_8_rows(
            source + row, w->result + point_offset(p, results, k, 0),
            w->weights + weight_offset(f, p, k, c + row), tiles, sources);
      if (k < results)
        multiply_16_rows(
          source, w->result + point_offset(p, results, k, 0), w->weights + weight_offset(f, p, k, c), tiles,
          sources);
    }
}

INLINE void transform_weights_back(const lockstep_winograd *f, const float *points, float *dweight) {
  const size_t sources = f->source_channels, results = f->result_channels;
  for (size_t k = 0; k < results; k += LANES)
    for (size_t c = 0; c < sources; c++) {
      vector h[3][6];
      UNROLL for (size_t j = 0; j < 6; j++) {
        vector du[6], dg[3];
        UNROLL for (size_t i = 0; i < 6; i++) du[i] = LOAD(points + weight_offset(f, i * 6 + j, k, c));
        weight_gradients(du, dg);
        UNROLL for (size_t i = 0; i < 3; i++) h[i][j] = dg[i];
      }
      UNROLL for (size_t i = 0; i < 3; i++) {
        vector dg[3];
        weight_gradients(h[i], dg);
        UNROLL for (size_t j = 0; j < 3; j++)
          for (size_t l = 0; l < LANES; l++) dweight[((k + l) * sources + c) * 9 + i * 3 + j] = dg[j][l];
      }
    }
}

WIDE void lockstep_winograd_weight_gradient(
  lockstep_winograd form, lockstep_winograd_normalization normalization, const float *source, const float *dy,
  float *dweight, float *scratch) {
  const lockstep_winograd *f = &form;
  const work_space w = divide(f, scratch);
  memset(w.weights, 0, POINTS * f->source_channels * f->result_channels * sizeof(float));
  cursor at = {0};
  group_of_tiles group;
  for (next_group(f, &at, &group); group.used > 0; next_group(f, &at, &group)) {
    for (size_t i = 0, slot = 0; i < group.runs; slot += group.run[i++].count) {
      transform_source(f, &normalization, &group.run[i], slot, source, w.source, w.strip);
      transform_gradient(f, &group.run[i], slot, dy, w.result);
    }
    add_products(f, &w, group.used);
  }
  transform_weights_back(f, w.weights, dweight);
}
