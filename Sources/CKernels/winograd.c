#include "winograd_tiles.h"

size_t lockstep_winograd_scratch(lockstep_winograd form) {
  const size_t sources = form.source_channels, results = form.result_channels;
  return POINTS * (sources * results + SLOTS * (sources + results)) + 6 * STRIP_COLUMNS * LANES;
}

INLINE void transform_weights(const lockstep_winograd *f, const float *weight, float *points) {
  const size_t sources = f->source_channels, results = f->result_channels;
  // From one channel of the result to the next, and from one of the source.
  const size_t result_step = f->is_backward ? 9 : sources * 9, source_step = f->is_backward ? results * 9 : 9;
  for (size_t k = 0; k < results; k += LANES)
    for (size_t c = 0; c < sources; c++) {
      const float *from = weight + k * result_step + c * source_step;
      vector g[3][3], h[6][3];
      UNROLL for (size_t i = 0; i < 9; i++) {
        float lane[LANES];
        for (size_t l = 0; l < LANES; l++) lane[l] = from[l * result_step + (f->is_backward ? 8 - i : i)];
        g[i / 3][i % 3] = LOAD(lane);
      }
      UNROLL for (size_t j = 0; j < 3; j++) {
        vector column[3] = {g[0][j], g[1][j], g[2][j]}, u[6];
        weight_points(column, u);
        UNROLL for (size_t i = 0; i < 6; i++) h[i][j] = u[i];
      }
      UNROLL for (size_t i = 0; i < 6; i++) {
        vector u[6];
        weight_points(h[i], u);
        UNROLL for (size_t j = 0; j < 6; j++) STORE(points + weight_offset(f, i * 6 + j, k, c), u[j]);
      }
    }
}

// The products at one point of TILES tiles with weights that lead to BLOCKS · 16 channels: as many sums as fit into
// registers.
#define PRODUCT(name, TILES, BLOCKS)                                                                                \
  INLINE void name(const float *source, const float *weights, float *result, size_t channels) {                     \
    vector sum[TILES][BLOCKS];                                                                                      \
    UNROLL for (size_t t = 0; t < TILES; t++) UNROLL for (size_t b = 0; b < BLOCKS; b++) sum[t][b] = all(0.0f);     \
    for (size_t c = 0; c < channels; c += LANES, source += SLOTS * LANES)                                           \
      UNROLL for (size_t l = 0; l < LANES; l++) {                                                                   \
        vector u[BLOCKS];                                                                                           \
        UNROLL for (size_t b = 0; b < BLOCKS; b++) u[b] = LOAD(weights + (b * channels + c + l) * LANES);           \
        UNROLL for (size_t t = 0; t < TILES; t++)                                                                   \
          UNROLL for (size_t b = 0; b < BLOCKS; b++) sum[t][b] = FMA(all(source[t * LANES + l]), u[b], sum[t][b]);  \
      }                                                                                                             \
    UNROLL for (size_t t = 0; t < TILES; t++)                                                                       \
      UNROLL for (size_t b = 0; b < BLOCKS; b++) STORE(result + (b * SLOTS + t) * LANES, sum[t][b]);                \
  }

PRODUCT(multiply_16_tiles, 16, 1)
PRODUCT(multiply_8_tiles, 8, 2)

INLINE void multiply(const lockstep_winograd *f, const work_space *w) {
  const size_t sources = f->source_channels, results = f->result_channels;
  for (size_t p = 0; p < POINTS; p++) {
    const float *source = w->source + point_offset(p, sources, 0, 0);
    size_t k = 0;
    for (; k + 2 * LANES <= results; k += 2 * LANES)
      for (size_t t = 0; t < SLOTS; t += 8)
        multiply_8_tiles(
          source + t * LANES, w->weights + weight_offset(f, p, k, 0), w->result + point_offset(p, results, k, t),
          sources);
    if (k < results)
      multiply_16_tiles(
        source, w->weights + weight_offset(f, p, k, 0), w->result + point_offset(p, results, k, 0), sources);
  }
}

INLINE vector finished(const lockstep_winograd_finish *finish, vector y, vector bias, size_t offset) {
  if (finish->bias != NULL) y += bias;
  if (finish->added != NULL) y += LOAD(finish->added + offset);
  if (finish->relu) y = only_positive(y);
  if (finish->passing != NULL) y = (vector)(~(LOAD(finish->passing + offset) <= all(0.0f)) & (mask)y);
  return y;
}

INLINE void transform_result(
  const lockstep_winograd *f, const lockstep_winograd_finish *finish, const run_of_tiles *run, size_t slot,
  const float *points, float *result) {
  const size_t channels = f->result_channels, width = f->result_width;
  for (size_t k = 0; k < channels; k += LANES) {
    const vector bias = finish->bias != NULL ? LOAD(finish->bias + k) : all(0.0f);
    for (size_t t = 0; t < run->count; t++) {
      const tile to = tile_at(f, run, t, k);
      vector h[TILE][6];
      UNROLL for (size_t q = 0; q < 6; q++) {
        vector m[6], y[TILE];
        UNROLL for (size_t r = 0; r < 6; r++) m[r] = LOAD(points + point_offset(r * 6 + q, channels, k, slot + t));
        results(m, y);
        UNROLL for (size_t r = 0; r < TILE; r++) h[r][q] = y[r];
      }
      UNROLL for (size_t r = 0; r < TILE; r++) {
        vector y[TILE];
        results(h[r], y);
        UNROLL for (size_t q = 0; q < TILE; q++) {
          const size_t offset = to.offset + (r * width + q) * LANES;
          __builtin_prefetch(result + offset + ROWS_AHEAD * TILE * width * LANES, 1, 2);
          if (r < to.height && q < to.width) STORE(result + offset, finished(finish, y[q], bias, offset));
        }
      }
    }
  }
}

WIDE void lockstep_winograd_convolve(
  lockstep_winograd form, lockstep_winograd_normalization normalization, const float *source, const float *weight,
  lockstep_winograd_finish finish, float *result, float *scratch) {
  const lockstep_winograd *f = &form;
  const work_space w = divide(f, scratch);
  transform_weights(f, weight, w.weights);
  // Slots that no tile fills are multiplied too.
  for (size_t i = 0; i < POINTS * SLOTS * f->source_channels; i++) w.source[i] = 0;
  cursor at = {0};
  group_of_tiles group;
  for (next_group(f, &at, &group); group.used > 0; next_group(f, &at, &group)) {
    for (size_t i = 0, slot = 0; i < group.runs; slot += group.run[i++].count)
      transform_source(f, &normalization, &group.run[i], slot, source, w.source, w.strip);
    multiply(f, &w);
    for (size_t i = 0, slot = 0; i < group.runs; slot += group.run[i++].count)
      transform_result(f, &finish, &group.run[i], slot, w.result, result);
  }
}
