// What the convolutions by Winograd's algorithm share: how images are cut into tiles, and the transform of the source.
//
// A tile is 4×4 pixels of the result, which depend on 6×6 of the source. Tiles are worked on in groups of up to
// `SLOTS`, small enough to stay in cache: the source of a group is transformed, then its 36 points are multiplied with
// the weights', each a matrix product over channels.
#pragma once
#include "winograd.h"
#include "winograd_transforms.h"

#define TILE 4
#define POINTS 36
#define SLOTS 16
// So many rows of tiles ahead memory is asked for: the processor does not foresee walks over several rows at once.
#define ROWS_AHEAD 2

// Tiles side by side in a row of tiles of one image.
typedef struct { size_t image, row, column, count; } run_of_tiles;

// Where the next run begins.
typedef struct { size_t image, row, column; } cursor;

// Runs that together fill no more than the slots.
typedef struct { size_t runs, used; run_of_tiles run[SLOTS]; } group_of_tiles;

INLINE void next_group(const lockstep_winograd *f, cursor *at, group_of_tiles *g) {
  const size_t across = (f->result_width + TILE - 1) / TILE, down = (f->result_height + TILE - 1) / TILE;
  g->runs = g->used = 0;
  while (at->image < f->batch) {
    size_t left = across - at->column, count = left < SLOTS ? left : SLOTS;
    if (g->used + count > SLOTS) return;
    g->run[g->runs++] = (run_of_tiles){at->image, at->row, at->column, count};
    g->used += count;
    at->column += count;
    if (at->column < across) continue;
    at->column = 0;
    if (++at->row < down) continue;
    at->row = 0;
    at->image++;
  }
}

// Where point p of a tile in the slot lies, for channels from c on: [points, channels / 16, slots, 16].
INLINE size_t point_offset(size_t p, size_t channels, size_t c, size_t slot) {
  return ((p * channels + c) * SLOTS) + slot * LANES;
}

// Where the weights of point p lie that lead from source channel c to 16 of the result from k on:
// [points, results / 16, sources, 16].
INLINE size_t weight_offset(const lockstep_winograd *f, size_t p, size_t k, size_t c) {
  return (p * f->result_channels + k) * f->source_channels + c * LANES;
}

// What is done to 16 channels of the source: (x − shift) · factor + offset.
typedef struct { vector shift, factor, offset; } affine;

INLINE affine make_affine(const lockstep_winograd_normalization *n, size_t channels, size_t c) {
  vector deviation = __builtin_elementwise_sqrt(LOAD(n->statistics + channels + c) + all(n->epsilon));
  return (affine){LOAD(n->statistics + c), LOAD(n->weight + c) / deviation, LOAD(n->bias + c)};
}

INLINE vector only_positive(vector x) { return (vector)(~(x <= all(0.0f)) & (mask)x); }

INLINE vector normalized(vector x, const affine *a, int relu) {
  vector y = (x - a->shift) * a->factor + a->offset;
  return relu ? only_positive(y) : y;
}

#define STRIP_COLUMNS (TILE * SLOTS + 2)

// The vertical transforms of the columns that a run of tiles depends on, 16 channels: strip[6, columns].
INLINE void transform_columns(
  const lockstep_winograd *f, const run_of_tiles *run, const float *plane, const affine *a, const int normalizes,
  const int relu, float *strip) {
  const ptrdiff_t height = (ptrdiff_t)f->source_height, width = (ptrdiff_t)f->source_width;
  const ptrdiff_t top = (ptrdiff_t)(TILE * run->row) - (ptrdiff_t)f->padding_height;
  const ptrdiff_t left = (ptrdiff_t)(TILE * run->column) - (ptrdiff_t)f->padding_width;
  const ptrdiff_t columns = (ptrdiff_t)(TILE * run->count + 2);
  for (ptrdiff_t j = 0; j < columns; j++) {
    float *to = strip + j * LANES;
    const ptrdiff_t x = left + j;
    if (x < 0 || x >= width) {
      UNROLL for (size_t r = 0; r < 6; r++) STORE(to + r * STRIP_COLUMNS * LANES, all(0.0f));
      continue;
    }
    const float *pixel = plane + (top * width + x) * LANES;
    vector d[6], v[6];
    UNROLL for (ptrdiff_t r = 0; r < 6; r++) {
      const int is_inside = top + r >= 0 && top + r < height;
      d[r] = is_inside ? LOAD(pixel + r * width * LANES) : all(0.0f);
      if (normalizes && is_inside) d[r] = normalized(d[r], a, relu);
    }
    UNROLL for (ptrdiff_t r = 1; r < 1 + TILE; r++)
      __builtin_prefetch(pixel + (r + ROWS_AHEAD * TILE) * width * LANES, 0, 2);
    source_points(d, v);
    UNROLL for (size_t r = 0; r < 6; r++) STORE(to + r * STRIP_COLUMNS * LANES, v[r]);
  }
}

INLINE void transform_source(
  const lockstep_winograd *f, const lockstep_winograd_normalization *n, const run_of_tiles *run, size_t slot,
  const float *source, float *points, float *strip) {
  const size_t channels = f->source_channels;
  for (size_t c = 0; c < channels; c += LANES) {
    const float *plane = source + (run->image * channels + c) * f->source_height * f->source_width;
    if (n->statistics == NULL) {
      transform_columns(f, run, plane, NULL, 0, 0, strip);
    } else {
      affine a = make_affine(n, channels, c);
      if (n->relu)
        transform_columns(f, run, plane, &a, 1, 1, strip);
      else
        transform_columns(f, run, plane, &a, 1, 0, strip);
    }
    for (size_t r = 0; r < 6; r++)
      for (size_t t = 0; t < run->count; t++) {
        const float *from = strip + (r * STRIP_COLUMNS + TILE * t) * LANES;
        vector d[6], v[6];
        UNROLL for (size_t q = 0; q < 6; q++) d[q] = LOAD(from + q * LANES);
        source_points(d, v);
        UNROLL for (size_t q = 0; q < 6; q++)
          STORE(points + point_offset(r * 6 + q, channels, c, slot + t), v[q]);
      }
  }
}

// The pixels of the result that lie in a tile: all of them but at the lower and right edges.
typedef struct { size_t offset, height, width; } tile;

INLINE tile tile_at(const lockstep_winograd *f, const run_of_tiles *run, size_t t, size_t k) {
  const size_t top = TILE * run->row, left = TILE * (run->column + t);
  const size_t below = f->result_height - top, right = f->result_width - left;
  const size_t plane = (run->image * f->result_channels + k) * f->result_height * f->result_width;
  return (tile){
    plane + (top * f->result_width + left) * LANES, below < TILE ? below : TILE, right < TILE ? right : TILE};
}

// The parts of the scratch memory: [weights' points, source's points, result's points, strip].
typedef struct { float *weights, *source, *result, *strip; } work_space;

INLINE work_space divide(const lockstep_winograd *f, float *scratch) {
  work_space w = {.weights = scratch};
  w.source = w.weights + POINTS * f->source_channels * f->result_channels;
  w.result = w.source + POINTS * SLOTS * f->source_channels;
  w.strip = w.result + POINTS * SLOTS * f->result_channels;
  return w;
}
