#include "matrix_product.h"

#include "product_few_rows.h"
#include "product_tiles.h"

// What is worked on at once fits the second-level cache: blocks of rows of the left side and of the result, and a slab
// of the right side, DEPTH deep, packed.
#define BLOCK_ROWS 258
#define SLAB (WIDE * LANES * 4)

typedef struct {
  size_t rows, columns, depth;
  // [rows, depth], read as it lies; in shallow products [depth, rows], packed into panels.
  const float *a;
  float *panels;
  // [columns, depth], packed slab by slab while it is used; or null, and packed holds all of it. In shallow products
  // [depth, columns], read as it lies, and packed holds what is no whole vector of it.
  const float *b;
  float *packed;
  int adds;
  const float *bias;
  lockstep_activation activation;
  float *y;
  size_t y_row;
  // With all of the right side packed: what is read after this product.
  const float *later;
  size_t later_count;
} product;

// Slabs lie in the order of columns, then of depth.
INLINE size_t slab_offset(product p, size_t j, size_t k) {
  return j * p.depth + k * rounded_up(smaller(SLAB, p.columns - j), LANES);
}

// What tiles bring nearer: so many times four rows of DEPTH elements, step apart.
typedef struct {
  const float *rows;
  size_t step, count;
} waiting;

// The slab that is packed behind the one at columns j and depth k, for the same rows of the left side.
INLINE waiting next_slab(product p, size_t j, size_t k) {
  size_t next_k = k + DEPTH < p.depth ? k + DEPTH : 0, next_j = next_k ? j : j + SLAB;
  if (next_j >= p.columns) return (waiting){p.b, 0, 0};
  return (waiting){p.b + next_j * p.depth + next_k, p.depth, smaller(SLAB, p.columns - next_j) / 4};
}

// The tiles of a block of rows from i on with the slab at columns j and depth k. Each brings some of what waits nearer.
INLINE void multiply_slab(
  int strip, product p, size_t i, size_t j, size_t k, const float *slab, waiting *later) {
  size_t rows = smaller(BLOCK_ROWS, p.rows - i), columns = smaller(SLAB, p.columns - j);
  size_t depth = smaller(DEPTH, p.depth - k), panels = panels_of(rows), step = (size_t)strip * LANES;
  int is_last = k + DEPTH >= p.depth;
  for (size_t c = 0; c < columns; c += step) {
    size_t width = strip_width(strip, columns, c), vectors = width / LANES;
    size_t last = smaller(LANES, columns - c - (vectors - 1) * LANES);
    const float *bias = p.bias && is_last ? p.bias + j + c : NULL;
    float *first = p.y + i * p.y_row + j + c, *y = first;
    const float *a = p.a + i * p.depth + k;
    for (size_t panel = 0; panel < panels; panel++) {
      size_t count = panel_rows(rows, panel);
      float *next_y = panel + 1 < panels ? y + count * p.y_row : first + step;
      ahead next = {next_y, later->count ? later->rows : slab, later->count ? later->step : 0};
      any_tile(
        strip, count, vectors, last, depth, a, p.depth, 1, slab + c * depth, 0, y, p.y_row, p.adds || k > 0, bias,
        next);
      a += count * p.depth;
      y = next_y;
      if (later->count) later->count--, later->rows += 4 * later->step;
    }
  }
  if (is_last && p.activation != lockstep_activation_none)
    for (size_t r = i; r < i + rows; r++) {
      float *y = p.y + r * p.y_row + j;
      lockstep_activate(p.activation, y, y, columns);
    }
}

INLINE void multiply(int strip, product p) {
  if (p.b && has_few_rows(p.rows, p.columns, p.depth))
    return multiply_few_rows(
      strip, p.rows, p.columns, p.depth, p.a, p.b, p.bias, p.activation, p.y, p.packed);
  waiting later = {p.later, DEPTH, p.later_count / (4 * DEPTH)};
  for (size_t i = 0; i < p.rows; i += BLOCK_ROWS)
    for (size_t j = 0; j < p.columns; j += SLAB)
      for (size_t k = 0; k < p.depth; k += DEPTH) {
        float *slab = p.packed;
        if (p.b) {
          pack_columns(
            strip, smaller(DEPTH, p.depth - k), smaller(SLAB, p.columns - j), p.b + j * p.depth + k, p.depth, slab);
          later = next_slab(p, j, k);
        } else {
          slab += slab_offset(p, j, k);
        }
        multiply_slab(strip, p, i, j, k, slab, &later);
      }
}

INLINE void pack(int strip, product p, int is_transposed, const float *b) {
  for (size_t j = 0; j < p.columns; j += SLAB)
    for (size_t k = 0; k < p.depth; k += DEPTH) {
      size_t depth = smaller(DEPTH, p.depth - k), columns = smaller(SLAB, p.columns - j);
      float *slab = p.packed + slab_offset(p, j, k);
      if (is_transposed)
        pack_columns(strip, depth, columns, b + j * p.depth + k, p.depth, slab);
      else
        pack_rows(strip, depth, columns, b + k * p.columns + j, p.columns, slab);
    }
}

// A transposed left side and a small depth: the left side's panels stay in the first-level cache, and the right side is
// read where it lies.
INLINE void multiply_shallow(int strip, product p) {
  size_t panels = panels_of(p.rows), step = (size_t)strip * LANES, even = p.columns / LANES * LANES;
  pack_panels(p.depth, p.rows, p.a, p.rows, p.a + p.depth * p.rows, p.panels);
  // What is no whole vector is a strip of its own.
  if (even < p.columns) pack_rows(strip, p.depth, p.columns - even, p.b + even, p.columns, p.packed);
  for (size_t j = 0; j < p.columns; j += step) {
    int is_edge = j >= even;
    if (!is_edge) step = smaller(step, even - j);
    for (size_t panel = 0, i = 0; panel < panels; panel++) {
      size_t count = panel_rows(p.rows, panel);
      float *y = p.y + i * p.columns + j, *next_y = panel + 1 < panels ? y + count * p.columns : p.y + j + step;
      any_tile(
        strip, count, is_edge ? 1 : step / LANES, is_edge ? p.columns - even : LANES, p.depth,
        p.panels + panel * ROWS * p.depth, 1, ROWS, is_edge ? p.packed : p.b + j, is_edge ? LANES : p.columns, y,
        p.columns, 0, NULL, (ahead){next_y, p.b + j + step, p.columns});
      i += count;
    }
  }
}

// The same loops for each instruction set that has fused multiply-adds in vectors; without it they are right, but slow.
#if defined(__x86_64__) && defined(__linux__)
#define V4 __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define V3 __attribute__((target("arch=x86-64-v3")))
#define HAS_V4 __builtin_cpu_supports("x86-64-v4")
#define HAS_V3 __builtin_cpu_supports("x86-64-v3")
#else
#define V4
#define V3
#define HAS_V4 0
#define HAS_V3 0
#endif

V4 static void multiply_v4(product p) { multiply(WIDE, p); }
V3 static void multiply_v3(product p) { multiply(NARROW, p); }
static void multiply_default(product p) { multiply(NARROW, p); }

V4 static void pack_v4(product p, int is_transposed, const float *b) { pack(WIDE, p, is_transposed, b); }
V3 static void pack_v3(product p, int is_transposed, const float *b) { pack(NARROW, p, is_transposed, b); }
static void pack_default(product p, int is_transposed, const float *b) { pack(NARROW, p, is_transposed, b); }

V4 static void multiply_shallow_v4(product p) { multiply_shallow(WIDE, p); }
V3 static void multiply_shallow_v3(product p) { multiply_shallow(NARROW, p); }
static void multiply_shallow_default(product p) { multiply_shallow(NARROW, p); }

static _Thread_local int only_narrow = 0;

void lockstep_narrow_products(int is_narrow) { only_narrow = is_narrow; }

int lockstep_has_wide_products(void) { return HAS_V4 && !only_narrow; }

#define DISPATCH(function, ...)                                          \
  {                                                                      \
    if (lockstep_has_wide_products()) return function##_v4(__VA_ARGS__); \
    if (HAS_V3) return function##_v3(__VA_ARGS__);                       \
    return function##_default(__VA_ARGS__);                              \
  }

size_t lockstep_packed_count(size_t depth, size_t columns) { return depth * rounded_up(columns, LANES); }

void lockstep_pack(size_t depth, size_t columns, int is_transposed, const float *b, float *packed) {
  product p = {.columns = columns, .depth = depth, .packed = packed};
  DISPATCH(pack, p, is_transposed, b)
}

void lockstep_packed_product(
  size_t rows, size_t columns, size_t depth, const float *a, const float *packed, int adds, float *y, size_t y_row,
  const float *later, size_t later_count) {
  product p = {
    .rows = rows, .columns = columns, .depth = depth, .a = a, .packed = (float *)packed, .adds = adds, .y = y,
    .y_row = y_row, .later = later, .later_count = later_count};
  DISPATCH(multiply, p)
}

size_t lockstep_product_scratch(size_t rows, size_t columns, size_t depth) {
  if (has_few_rows(rows, columns, depth)) return rows * depth;
  return smaller(DEPTH, depth) * smaller(SLAB, rounded_up(columns, LANES));
}

void lockstep_product(
  size_t rows, size_t columns, size_t depth, const float *a, const float *b, const float *bias,
  lockstep_activation activation, float *y, float *scratch) {
  product p = {
    .rows = rows, .columns = columns, .depth = depth, .a = a, .b = b, .packed = scratch, .bias = bias,
    .activation = activation, .y = y, .y_row = columns};
  DISPATCH(multiply, p)
}

size_t lockstep_shallow_product_scratch(size_t rows, size_t depth) {
  return rounded_up(panels_of(rows) * ROWS * depth + SPILL, LANES) + LANES * depth;
}

void lockstep_shallow_product(
  size_t rows, size_t columns, size_t depth, const float *a, const float *b, float *y, float *scratch) {
  product p = {
    .rows = rows, .columns = columns, .depth = depth, .a = a, .panels = scratch, .b = b,
    .packed = scratch + rounded_up(panels_of(rows) * ROWS * depth + SPILL, LANES), .y = y, .y_row = columns};
  DISPATCH(multiply_shallow, p)
}
