// Products a · bᵀ of few rows by many columns: so few that to transpose b into slabs would take long against what each is
// used for. Here a is packed, once, and b's rows are read as they lie, from memory once; the result comes transposed, some
// columns at a time. Every sum is made in the order of the other products, so the bits are theirs.
#pragma once
#include "product_tiles.h"

// Columns at a time: eight panels. Their sums for STRIPE rows stay in the first-level cache.
#define GROUP (8 * ROWS)
#define STRIPE (WIDE * LANES)
// Elements of the packed left side: half of a second-level cache.
#define FEW (1 << 18)

// Whether this way is the faster one; the bits are the same. Measured against the other, alternately, 1024 columns and a
// depth of 784: 32, 48 and 64 rows 1.13 to 1.39, 96 and 128 rows 1.09 to 1.15, 256 rows 1.03. Stripes that are partly
// empty lose: 24 rows 0.89, 72 rows 0.86. Those of one vector win little or nothing: 16 rows 1.03 (by 128 columns 0.86 to
// 1.22), 80 rows 1.02.
INLINE int has_few_rows(size_t rows, size_t columns, size_t depth) {
  int fills_stripes = rows % LANES == 0 && rows % STRIPE != LANES;
  return fills_stripes && rows < columns && rows * depth <= FEW;
}

// A stripe is packed behind those before it, depth by depth.
INLINE void pack_stripes(int strip, size_t rows, size_t depth, const float *a, float *packed) {
  for (size_t i = 0; i < rows; i += STRIPE) {
    size_t width = smaller(STRIPE, rows - i);
    for (size_t k = 0; k < depth; k += DEPTH)
      pack_columns(strip, smaller(DEPTH, depth - k), width, a + i * depth + k, depth, packed + i * depth + k * width);
  }
}

// y [width, columns] from turned [columns, width].
INLINE void turn(size_t width, size_t columns, const float *turned, float *y, size_t y_row) {
  size_t even = columns / LANES * LANES;
  for (size_t i = 0; i < width; i += LANES) {
    for (size_t j = 0; j < even; j += LANES)
      transpose_square(turned + j * width + i, width, y + i * y_row + j, y_row);
    if (even == columns) continue;
    // Of the last square, which is there as a whole, a part is wanted.
    float square[LANES * LANES];
    transpose_square(turned + even * width + i, width, square, LANES);
    for (size_t r = 0; r < LANES; r++)
      for (size_t j = even; j < columns; j++) y[(i + r) * y_row + j] = square[r * LANES + j - even];
  }
}

// turned [count, width] = b [count, depth] · one stripe of a: its packed slabs, one behind the other. Meanwhile the rows of
// coming are brought nearer, four at each tile, from first on.
INLINE void multiply_stripe(
  int strip, size_t count, size_t width, size_t depth, const float *b, const float *stripe, float *turned,
  const float *coming, size_t coming_rows, size_t first) {
  size_t panels = panels_of(count), step = (size_t)strip * LANES;
  for (size_t k = 0; k < depth; k += DEPTH) {
    size_t deep = smaller(DEPTH, depth - k);
    const float *slab = stripe + k * width;
    for (size_t c = 0; c < width; c += step) {
      const float *left = b + k;
      float *sums = turned + c;
      for (size_t panel = 0; panel < panels; panel++) {
        size_t rows = panel_rows(count, panel), row = first + 4 * panel;
        int is_there = c == 0 && row + 4 <= coming_rows;
        ahead next = {sums, is_there ? coming + row * depth + k : slab, is_there ? depth : 0};
        any_tile(
          strip, rows, strip_width(strip, width, c) / LANES, LANES, deep, left, depth, 1, slab + c * deep, 0, sums,
          width, k > 0, NULL, next);
        left += rows * depth;
        sums += rows * width;
      }
    }
  }
}

// y [rows, columns] = activation(a [rows, depth] · bᵀ + bias), b [columns, depth]; packed has room for all of a.
INLINE void multiply_few_rows(
  int strip, size_t rows, size_t columns, size_t depth, const float *a, const float *b, const float *bias,
  lockstep_activation activation, float *y, float *packed) {
  float turned[GROUP * STRIPE] = {0};
  pack_stripes(strip, rows, depth, a, packed);
  for (size_t j = 0; j < columns; j += GROUP) {
    size_t count = smaller(GROUP, columns - j), later = j + count;
    for (size_t i = 0; i < rows; i += STRIPE) {
      size_t width = smaller(STRIPE, rows - i);
      multiply_stripe(
        strip, count, width, depth, b + j * depth, packed + i * depth, turned, b + later * depth,
        smaller(GROUP, columns - later), i / STRIPE * panels_of(count) * 4);
      if (bias)
        for (size_t c = 0; c < count; c++)
          for (size_t r = 0; r < width; r += LANES) *(vector *)(turned + c * width + r) += (vector)bias[j + c];
      if (activation != lockstep_activation_none) lockstep_activate(activation, turned, turned, count * width);
      turn(width, count, turned, y + i * columns + j, columns);
    }
  }
}
