// The innermost loops of matrix products: tiles of sums in registers, and the order in which they read their operands.
#pragma once
#include "vector.h"

// Vectors are passed only to functions that are inlined, so no calling convention is concerned.
#pragma clang diagnostic ignored "-Wpsabi"

#define INLINE static inline __attribute__((always_inline))
#define UNROLLED _Pragma("clang loop unroll(full)")

typedef float vector __attribute__((ext_vector_type(LANES), aligned(4)));

// A tile is up to 6 rows of up to 4 vectors: with AVX-512 24 sums, 4 vectors of the right side and 1 of the left in the
// 32 registers. Elsewhere a vector takes two or four registers, and a tile is one vector wide.
#define ROWS 6
#define WIDE 4
#define NARROW 1
// The depth of a block; fixed, since the order of sums hangs on it.
#define DEPTH 256

INLINE size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
INLINE size_t rounded_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

// Rows in panels of at most ROWS, as even as can be.
INLINE size_t panels_of(size_t rows) { return (rows + ROWS - 1) / ROWS; }
INLINE size_t panel_rows(size_t rows, size_t panel) {
  size_t panels = panels_of(rows);
  return rows / panels + (panel < rows % panels);
}

// What a tile brings nearer while it computes, a little at a time, so that its own operands do not wait: the place of
// the next tile's result, and of what is packed next four rows of 1 KiB, step elements apart.
typedef struct {
  const float *result, *rows;
  size_t step;
} ahead;

// c[rows, vectors] = (c +) a[rows, depth] · b[depth, vectors] (+ bias), where b's rows are b_row apart.
INLINE void tile(
  int rows, int vectors, size_t depth, const float *a, size_t a_row, size_t a_column, const float *b, size_t b_row,
  float *c, size_t c_row, int adds, const float *bias, ahead next) {
  vector sum[ROWS][WIDE];
  UNROLLED for (int r = 0; r < rows; r++)
    UNROLLED for (int v = 0; v < vectors; v++) sum[r][v] = (vector)0.0f;
#define MULTIPLY                                                                                                   \
  {                                                                                                                \
    vector right[WIDE];                                                                                            \
    UNROLLED for (int v = 0; v < vectors; v++) right[v] = *(const vector *)(b + v * LANES);                        \
    b += b_row;                                                                                                    \
    UNROLLED for (int r = 0; r < rows; r++) {                                                                      \
      vector left = (vector)a[r * a_row];                                                                          \
      UNROLLED for (int v = 0; v < vectors; v++) sum[r][v] = __builtin_elementwise_fma(left, right[v], sum[r][v]); \
    }                                                                                                              \
    a += a_column;                                                                                                 \
  }
  size_t d = 0;
  _Pragma("clang loop unroll(disable)") for (; d + 4 <= depth; d += 4) {
    __builtin_prefetch(next.rows + d / 64 * next.step + d / 4 % 16 * LANES, 0, 2);
    if (d < 8 * ROWS) {
      const float *result = next.result + d / 8 * c_row + d / 4 % 2 * 2 * LANES;
      __builtin_prefetch(result, 1);
      __builtin_prefetch(result + LANES, 1);
    }
    UNROLLED for (int i = 0; i < 4; i++) MULTIPLY
  }
  _Pragma("clang loop unroll(disable)") for (; d < depth; d++) MULTIPLY
#undef MULTIPLY
  UNROLLED for (int r = 0; r < rows; r++)
    UNROLLED for (int v = 0; v < vectors; v++) {
      vector *to = (vector *)(c + r * c_row + v * LANES);
      if (adds) sum[r][v] = *to + sum[r][v];
      if (bias) sum[r][v] += *(const vector *)(bias + v * LANES);
      *to = sum[r][v];
    }
}

#define TILE_CASE(r, v) \
  case r: tile(r, v, depth, a, a_row, a_column, b, b_row ? b_row : v * LANES, c, c_row, adds, bias, next); break;
#define TILE_CASES(v)                                                                                  \
  switch (rows) { TILE_CASE(1, v) TILE_CASE(2, v) TILE_CASE(3, v) TILE_CASE(4, v) TILE_CASE(5, v) TILE_CASE(6, v) }

// A tile of any size; its last vector has only `last` columns. strip, the vectors that fit, is a constant. Where b_row is
// 0, b is packed: a constant distance costs no register.
INLINE void any_tile(
  int strip, size_t rows, size_t vectors, size_t last, size_t depth, const float *a, size_t a_row, size_t a_column,
  const float *b, size_t b_row, float *c, size_t c_row, int adds, const float *bias, ahead next) {
  float edge[ROWS * WIDE * LANES], padded[WIDE * LANES];
  float *result = c;
  size_t columns = (vectors - 1) * LANES + last, result_row = c_row;
  if (last < LANES) {
    c = edge, c_row = WIDE * LANES;
    for (size_t r = 0; r < rows && adds; r++)
      for (size_t j = 0; j < columns; j++) edge[r * c_row + j] = result[r * result_row + j];
    for (size_t j = 0; j < columns && bias; j++) padded[j] = bias[j];
    bias = bias ? padded : bias;
  }
  if (strip == WIDE && vectors == 4)
    TILE_CASES(4)
  else if (strip == WIDE && vectors == 3)
    TILE_CASES(3)
  else if (strip == WIDE && vectors == 2)
    TILE_CASES(2)
  else
    TILE_CASES(1)
  if (last < LANES)
    for (size_t r = 0; r < rows; r++)
      for (size_t j = 0; j < columns; j++) result[r * result_row + j] = edge[r * c_row + j];
}

// Columns in strips of `strip` vectors, [strips, depth, …], the last one padded with zeros to whole vectors: strip j / n
// of n columns begins at j · depth.
INLINE size_t strip_width(int strip, size_t columns, size_t j) {
  return smaller((size_t)strip * LANES, rounded_up(columns - j, LANES));
}

INLINE void pack_rows(int strip, size_t depth, size_t columns, const float *b, size_t b_row, float *packed) {
  for (size_t d = 0; d < depth; d++, b += b_row)
    for (size_t j = 0; j < columns; j += (size_t)strip * LANES) {
      size_t width = strip_width(strip, columns, j), end = smaller(width, columns - j), i = 0;
      float *to = packed + j * depth + d * width;
      for (; i + LANES <= end; i += LANES) *(vector *)(to + i) = *(const vector *)(b + j + i);
      for (; i < width; i++) to[i] = i < end ? b[j + i] : 0.0f;
    }
}

// Two rows, their elements in turn.
#define ZIP_LOW(a, b) \
  __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HIGH(a, b) \
  __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)

// LANES × LANES elements: each round rotates the eight bits of (row, column) by one, four rounds exchange the halves.
INLINE void transpose_square(const float *x, size_t x_row, float *y, size_t y_row) {
  vector row[LANES], zipped[LANES];
  UNROLLED for (int i = 0; i < LANES; i++) row[i] = *(const vector *)(x + i * x_row);
  UNROLLED for (int round = 0; round < 4; round++) {
    UNROLLED for (int i = 0; i < LANES / 2; i++) {
      zipped[2 * i] = ZIP_LOW(row[i], row[i + LANES / 2]);
      zipped[2 * i + 1] = ZIP_HIGH(row[i], row[i + LANES / 2]);
    }
    UNROLLED for (int i = 0; i < LANES; i++) row[i] = zipped[i];
  }
  UNROLLED for (int i = 0; i < LANES; i++) *(vector *)(y + i * y_row) = row[i];
}

// The same from b stored [columns, depth].
INLINE void pack_columns(int strip, size_t depth, size_t columns, const float *b, size_t b_row, float *packed) {
  for (size_t j = 0; j < columns; j += LANES) {
    size_t first = j / ((size_t)strip * LANES) * strip * LANES, width = strip_width(strip, columns, first), d = 0;
    float *to = packed + first * depth + j - first;
    if (j + LANES <= columns)
      for (; d + LANES <= depth; d += LANES) transpose_square(b + j * b_row + d, b_row, to + d * width, width);
    for (; d < depth; d++)
      for (size_t i = 0; i < LANES; i++) to[d * width + i] = j + i < columns ? b[(j + i) * b_row + d] : 0.0f;
  }
}

// Rows of a, stored [depth, …] with a_row elements from one depth to the next, in panels [panels, depth, ROWS]. Eight
// elements are copied at once where they are there to be read: what is too much of them is written over by the next
// depth's, or behind the last panel, where SPILL elements are room for it.
#define SPILL 2
INLINE void pack_panels(
  size_t depth, size_t rows, const float *a, size_t a_row, const float *a_end, float *packed) {
  typedef float eight __attribute__((ext_vector_type(8), aligned(4)));
  for (size_t panel = 0, i = 0; panel < panels_of(rows); panel++) {
    size_t count = panel_rows(rows, panel);
    const float *from = a + i;
    for (size_t d = 0; d < depth; d++, from += a_row, packed += ROWS) {
      if (a_end - from >= 8)
        *(eight *)packed = *(const eight *)from;
      else
        for (size_t r = 0; r < count; r++) packed[r] = from[r];
    }
    i += count;
  }
}
