// The small matrix products of attention: tiles of sums in registers over operands that are packed for them.
#pragma once
#include <string.h>

#include "attention.h"
#include "lanes.h"

// A panel of rows is computed at once, against a strip of columns: 16 sums in the 32 registers of AVX-512.
#define PANEL 8
#define STRIP (2 * LANES)

INLINE size_t rounded_up(size_t n, size_t to) { return (n + to - 1) / to * to; }
INLINE size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

// How a head lies in scratch. Rows and columns are padded with zeros, so that every panel is whole.
typedef struct {
  size_t time, width;    // padded to whole strips, and to whole vectors
  size_t matrix;         // elements of [time, width]
  size_t score_step;     // from one row of scores to the next: no power of two, which would crowd a few cache sets
} extents;

INLINE extents extents_of(lockstep_attention_form form) {
  size_t time = rounded_up(form.time, STRIP), width = rounded_up(form.width, LANES);
  return (extents){time, width, time * width, time + LANES};
}

// c[rows, vectors of columns] = (c +) a[rows, depth] · b[depth, …]
INLINE void tile(
  int rows, int vectors, size_t depth, const float *a, size_t a_row, size_t a_column, const float *b, size_t b_row,
  float *c, size_t c_row, int adds) {
  vector sum[PANEL][2];
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++) sum[r][v] = adds ? *(vector *)(c + r * c_row + v * LANES) : (vector)0.0f;
  for (size_t d = 0; d < depth; d++) {
    vector right[2];
    for (int v = 0; v < vectors; v++) right[v] = *(const vector *)(b + d * b_row + v * LANES);
    for (int r = 0; r < rows; r++) {
      vector left = (vector)a[r * a_row + d * a_column];
      for (int v = 0; v < vectors; v++) sum[r][v] = __builtin_elementwise_fma(left, right[v], sum[r][v]);
    }
  }
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++) *(vector *)(c + r * c_row + v * LANES) = sum[r][v];
}

// c[PANEL, columns] = (c +) a[PANEL, depth] · b[depth, columns], columns whole vectors; b's strips of columns begin
// b_strip apart. Without AVX-512 in smaller tiles, for fewer and narrower registers.
INLINE void product(
  int is_wide, size_t columns, size_t depth, const float *a, size_t a_row, size_t a_column, const float *b,
  size_t b_row, size_t b_strip, float *c, size_t c_row, int adds) {
  for (size_t j = 0; j < columns; j += STRIP, b += b_strip) {
    if (is_wide) {
      if (j + STRIP <= columns)
        tile(PANEL, 2, depth, a, a_row, a_column, b, b_row, c + j, c_row, adds);
      else
        tile(PANEL, 1, depth, a, a_row, a_column, b, b_row, c + j, c_row, adds);
    } else {
      for (size_t r = 0; r < PANEL; r += PANEL / 2)
        for (size_t k = 0; k < STRIP && j + k < columns; k += LANES)
          tile(
            PANEL / 2, 1, depth, a + r * a_row, a_row, a_column, b + k, b_row, c + r * c_row + j + k, c_row, adds);
    }
  }
}

// y[d] = x[d] · factor for d below width, 0 from there to padded, whole vectors.
INLINE void copy_row(size_t width, size_t padded, const float *x, float factor, float *y) {
  size_t d = 0;
  for (; d + LANES <= width; d += LANES) *(vector *)(y + d) = *(const vector *)(x + d) * factor;
  for (; d < width; d++) y[d] = x[d] * factor;
  for (; d < padded; d++) y[d] = 0.0f;
}

// Rows of a head's matrix, row_step apart, times factor; behind them rows of zeros up to `padded`.
INLINE void pack_rows(
  size_t rows, size_t padded, size_t width, const float *x, size_t row_step, float factor, float *packed,
  size_t packed_step) {
  for (size_t t = 0; t < rows; t++) copy_row(width, packed_step, x + t * row_step, factor, packed + t * packed_step);
  memset(packed + rows * packed_step, 0, (padded - rows) * packed_step * sizeof(float));
}

INLINE void unpack_rows(
  size_t rows, size_t width, const float *packed, size_t packed_step, float factor, float *x, size_t row_step) {
  for (size_t t = 0; t < rows; t++) copy_row(width, width, packed + t * packed_step, factor, x + t * row_step);
}

typedef float quarter __attribute__((ext_vector_type(4), aligned(4)));
typedef float half __attribute__((ext_vector_type(8)));

INLINE vector joined(quarter a, quarter b, quarter c, quarter d) {
  half low = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
  half high = __builtin_shufflevector(c, d, 0, 1, 2, 3, 4, 5, 6, 7);
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

// Pairs of neighbours a0 b0 a1 b1 in each quarter, or its upper half's a2 b2 a3 b3.
#define ZIP_LOW(a, b) \
  __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define ZIP_HIGH(a, b) \
  __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)

// LANES × LANES elements, four columns at a time: what is joined from four rows is transposed quarter by quarter.
INLINE void transpose_tile(const float *x, size_t x_row, float *y, size_t y_row) {
  for (int column = 0; column < LANES; column += 4, x += 4, y += 4 * y_row) {
    vector row[4];
    for (int i = 0; i < 4; i++)
      row[i] = joined(
        *(const quarter *)(x + i * x_row), *(const quarter *)(x + (i + 4) * x_row),
        *(const quarter *)(x + (i + 8) * x_row), *(const quarter *)(x + (i + 12) * x_row));
    vector even_low = ZIP_LOW(row[0], row[2]), even_high = ZIP_HIGH(row[0], row[2]);
    vector odd_low = ZIP_LOW(row[1], row[3]), odd_high = ZIP_HIGH(row[1], row[3]);
    *(vector *)y = ZIP_LOW(even_low, odd_low);
    *(vector *)(y + y_row) = ZIP_HIGH(even_low, odd_low);
    *(vector *)(y + 2 * y_row) = ZIP_LOW(even_high, odd_high);
    *(vector *)(y + 3 * y_row) = ZIP_HIGH(even_high, odd_high);
  }
}

// A head's matrix [time, width], its rows row_step apart, transposed in strips of columns: [time / STRIP, width, STRIP].
INLINE void transpose_rows(lockstep_attention_form form, extents e, const float *x, size_t row_step, float *strips) {
  for (size_t t = 0; t < e.time; t += LANES)
    for (size_t d = 0; d < e.width; d += LANES) {
      float *to = strips + t / STRIP * STRIP * e.width + d * STRIP + t % STRIP;
      if (t + LANES <= form.time && d + LANES <= form.width) {
        transpose_tile(x + t * row_step + d, row_step, to, STRIP);
        continue;
      }
      float edge[LANES * LANES];
      size_t rows = t < form.time ? smaller(LANES, form.time - t) : 0;
      pack_rows(rows, LANES, smaller(LANES, form.width - d), x + t * row_step + d, row_step, 1.0f, edge, LANES);
      transpose_tile(edge, LANES, to, STRIP);
    }
}
