#include "attention.h"

#include <math.h>
#include <string.h>

#include "vector.h"

#define INLINE static inline __attribute__((always_inline))

// Vectors are passed only to functions that are inlined, so no calling convention is concerned.
#pragma clang diagnostic ignored "-Wpsabi"

// A panel of rows is computed at once, against a strip of columns: 16 sums in the 32 registers of AVX-512.
#define PANEL 8
#define STRIP (2 * LANES)
// The rows whose probabilities are kept at once in the backward pass.
#define BLOCK 64

typedef float vector __attribute__((ext_vector_type(LANES), aligned(4)));
typedef int32_t integers __attribute__((ext_vector_type(LANES)));

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

// A head's matrix, [time, width] with rows row_step apart, times factor.
INLINE void pack_rows(
  lockstep_attention_form form, extents e, const float *x, size_t row_step, float factor, float *packed) {
  for (size_t t = 0; t < form.time; t++)
    copy_row(form.width, e.width, x + t * row_step, factor, packed + t * e.width);
  memset(packed + form.time * e.width, 0, (e.time - form.time) * e.width * sizeof(float));
}

// Two rows, their elements in turn.
#define ZIP_LOW(a, b) \
  __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HIGH(a, b) \
  __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)

// LANES × LANES elements: each round rotates the eight bits of (row, column) by one, four rounds exchange the halves.
INLINE void transpose_tile(const float *x, size_t x_row, float *y, size_t y_row) {
  vector row[LANES], zipped[LANES];
  for (int i = 0; i < LANES; i++) row[i] = *(const vector *)(x + i * x_row);
  for (int round = 0; round < 4; round++) {
    for (int i = 0; i < LANES / 2; i++) {
      zipped[2 * i] = ZIP_LOW(row[i], row[i + LANES / 2]);
      zipped[2 * i + 1] = ZIP_HIGH(row[i], row[i + LANES / 2]);
    }
    for (int i = 0; i < LANES; i++) row[i] = zipped[i];
  }
  for (int i = 0; i < LANES; i++) *(vector *)(y + i * y_row) = row[i];
}

// Packed rows, [time, width], transposed in strips of columns: [time / STRIP, width, STRIP].
INLINE void transpose_packed(extents e, const float *packed, float *strips) {
  for (size_t t = 0; t < e.time; t += LANES)
    for (size_t d = 0; d < e.width; d += LANES)
      transpose_tile(
        packed + t * e.width + d, e.width, strips + t / STRIP * STRIP * e.width + d * STRIP + t % STRIP, STRIP);
}

INLINE void unpack_rows(
  size_t rows, size_t width, const float *packed, size_t packed_step, float factor, float *x, size_t row_step) {
  for (size_t t = 0; t < rows; t++) copy_row(width, width, packed + t * packed_step, factor, x + t * row_step);
}

INLINE vector larger(vector a, vector b) { return b > a ? b : a; }

// The order of sum_of_lanes.
INLINE float sum_of(vector v) {
  __typeof__(v.lo) a = v.lo + v.hi;
  __typeof__(a.lo) b = a.lo + a.hi;
  return (b.x + b.z) + (b.y + b.w);
}

INLINE float largest_of(vector v) {
  __typeof__(v.lo) a = v.hi > v.lo ? v.hi : v.lo;
  __typeof__(a.lo) b = a.hi > a.lo ? a.hi : a.lo;
  float x = b.z > b.x ? b.z : b.x, y = b.w > b.y ? b.w : b.y;
  return y > x ? y : x;
}

// exponential() of vector.h for x ≤ 0.
INLINE vector exponential_of(vector x) {
  vector bounded = x < -87.3f ? (vector)-87.3f : x;
  vector shifted = bounded * 1.44269504088896341f + 12582912.0f;
  vector n = shifted - 12582912.0f;
  vector r = bounded - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  vector p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  integers power = ((integers)shifted - 0x4B400000 + 127) << 23;
  return x < -87.3f ? (vector)0.0f : p * (vector)power;
}

// The first `count` scores become exp(score − max); what lies behind them up to `padded`, whole vectors, and what the
// mask leaves out, becomes 0. Returns 1 / their sum.
INLINE float exponentials_of_scores(float *s, size_t count, size_t padded, const float *mask) {
  for (size_t j = count / LANES * LANES; j < padded; j += LANES) {
    const integers lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    *(vector *)(s + j) = lane + (int32_t)j < (int32_t)count ? *(vector *)(s + j) : (vector)-INFINITY;
  }
  if (mask)
    for (size_t j = 0; j < count; j++) s[j] = mask[j] == 0.0f ? -INFINITY : s[j];
  vector most = *(vector *)s, sum = 0.0f;
  for (size_t j = LANES; j < padded; j += LANES) most = larger(most, *(vector *)(s + j));
  vector largest = (vector)largest_of(most);
  for (size_t j = 0; j < padded; j += LANES) {
    vector value = exponential_of(*(vector *)(s + j) - largest);
    *(vector *)(s + j) = value;
    sum += value;
  }
  return 1.0f / sum_of(sum);
}

// The first step that may be attended to; the steps before it have nothing where attention is causal.
INLINE size_t first_allowed(const float *mask, size_t time) {
  size_t first = 0;
  if (mask)
    while (first < time && mask[first] == 0.0f) first++;
  return first;
}

size_t lockstep_attention_scratch(lockstep_attention_form form) {
  extents e = extents_of(form);
  return 3 * e.matrix + PANEL * (e.score_step + e.width);
}

INLINE void attention(
  int is_wide, lockstep_attention_form form, const float *qkv, const float *mask, float *y, float *scratch) {
  extents e = extents_of(form);
  size_t embedding = form.heads * form.width, step = 3 * embedding;
  float *q = scratch, *keys = q + e.matrix, *v = keys + e.matrix, *s = v + e.matrix, *o = s + PANEL * e.score_step;
  for (size_t item = 0; item < form.batch * form.heads; item++) {
    size_t sample = item / form.heads, head = item % form.heads;
    const float *x = qkv + sample * form.time * step + head * form.width;
    const float *allowed = mask ? mask + sample * form.time : NULL;
    size_t first = first_allowed(allowed, form.time);
    pack_rows(form, e, x, step, form.scale, q);
    pack_rows(form, e, x + embedding, step, 1.0f, v);
    transpose_packed(e, v, keys);
    pack_rows(form, e, x + 2 * embedding, step, 1.0f, v);
    for (size_t i = 0; i < form.time; i += PANEL) {
      size_t rows = smaller(PANEL, form.time - i);
      size_t limit = form.is_causal ? i + rows : form.time, padded = rounded_up(limit, LANES);
      float inverse[PANEL] = {0};
      product(
        is_wide, padded, form.width, q + i * e.width, e.width, 1, keys, STRIP, STRIP * e.width, s, e.score_step, 0);
      for (size_t r = 0; r < rows; r++) {
        size_t count = form.is_causal ? i + r + 1 : form.time;
        if (first < count)
          inverse[r] = exponentials_of_scores(s + r * e.score_step, count, padded, allowed);
        else
          memset(s + r * e.score_step, 0, padded * sizeof(float));
      }
      product(is_wide, e.width, limit, s, e.score_step, 1, v, e.width, STRIP, o, e.width, 0);
      for (size_t r = 0; r < rows; r++)
        unpack_rows(
          1, form.width, o + r * e.width, e.width, inverse[r],
          y + (sample * form.time + i + r) * embedding + head * form.width, embedding);
    }
  }
}

// One head in the backward pass: packed operands, and what is summed over the rows.
typedef struct {
  float *q, *k, *keys, *values, *g, *dk, *dv, *p, *ds, *dq;
} head_memory;

INLINE head_memory divided(float *scratch, extents e, size_t block) {
  head_memory m;
  m.q = scratch, m.k = m.q + e.matrix, m.keys = m.k + e.matrix, m.values = m.keys + e.matrix;
  m.g = m.values + e.matrix, m.dk = m.g + e.matrix, m.dv = m.dk + e.matrix, m.p = m.dv + e.matrix;
  m.ds = m.p + block * e.score_step, m.dq = m.ds + block * e.score_step;
  return m;
}

size_t lockstep_attention_gradient_scratch(lockstep_attention_form form) {
  extents e = extents_of(form);
  return 7 * e.matrix + 2 * smaller(BLOCK, e.time) * e.score_step + PANEL * e.width;
}

// p holds scores and ds the gradients of the probabilities: they become the probabilities and the gradients of the
// scores, ds = p · (dp − Σ p·dp).
INLINE void softmax_backward(float *p, float *ds, size_t count, size_t padded, const float *mask) {
  float inverse = exponentials_of_scores(p, count, padded, mask);
  vector sum = 0.0f;
  for (size_t j = 0; j < padded; j += LANES) {
    vector value = *(vector *)(p + j) * inverse;
    *(vector *)(p + j) = value;
    sum += value * *(vector *)(ds + j);
  }
  vector dot = sum_of(sum);
  for (size_t j = 0; j < padded; j += LANES)
    *(vector *)(ds + j) = *(vector *)(p + j) * (*(vector *)(ds + j) - dot);
}

INLINE void attention_gradient(
  int is_wide, lockstep_attention_form form, const float *qkv, const float *mask, const float *dy, float *dqkv,
  float *scratch) {
  extents e = extents_of(form);
  size_t embedding = form.heads * form.width, step = 3 * embedding;
  head_memory m = divided(scratch, e, smaller(BLOCK, e.time));
  for (size_t item = 0; item < form.batch * form.heads; item++) {
    size_t sample = item / form.heads, head = item % form.heads;
    const float *x = qkv + sample * form.time * step + head * form.width;
    const float *g = dy + sample * form.time * embedding + head * form.width;
    float *dx = dqkv + sample * form.time * step + head * form.width;
    const float *allowed = mask ? mask + sample * form.time : NULL;
    size_t first = first_allowed(allowed, form.time);
    pack_rows(form, e, x, step, form.scale, m.q);
    pack_rows(form, e, x + embedding, step, 1.0f, m.k);
    transpose_packed(e, m.k, m.keys);
    pack_rows(form, e, x + 2 * embedding, step, 1.0f, m.dv);
    transpose_packed(e, m.dv, m.values);
    pack_rows(form, e, g, embedding, 1.0f, m.g);
    memset(m.dk, 0, 2 * e.matrix * sizeof(float));

    for (size_t start = 0; start < form.time; start += BLOCK) {
      size_t block = smaller(BLOCK, form.time - start);
      for (size_t offset = 0; offset < block; offset += PANEL) {
        size_t i = start + offset, rows = smaller(PANEL, form.time - i);
        size_t limit = form.is_causal ? i + rows : form.time, padded = rounded_up(limit, LANES);
        float *p = m.p + offset * e.score_step, *ds = m.ds + offset * e.score_step;
        product(
          is_wide, padded, form.width, m.q + i * e.width, e.width, 1, m.keys, STRIP, STRIP * e.width, p, e.score_step,
          0);
        product(
          is_wide, padded, form.width, m.g + i * e.width, e.width, 1, m.values, STRIP, STRIP * e.width, ds,
          e.score_step, 0);
        for (size_t r = 0; r < rows; r++) {
          size_t count = form.is_causal ? i + r + 1 : form.time;
          if (first < count) {
            softmax_backward(p + r * e.score_step, ds + r * e.score_step, count, padded, allowed);
          } else {
            memset(p + r * e.score_step, 0, padded * sizeof(float));
            memset(ds + r * e.score_step, 0, padded * sizeof(float));
          }
        }
        product(is_wide, e.width, limit, ds, e.score_step, 1, m.k, e.width, STRIP, m.dq, e.width, 0);
        unpack_rows(rows, form.width, m.dq, e.width, form.scale, dx + i * step, step);
      }
      // A key's gradients: sums over the block's rows that attend to it.
      size_t end = form.is_causal ? start + block : form.time;
      for (size_t j = 0; j < end; j += PANEL) {
        size_t skipped = form.is_causal && j > start ? j - start : 0, row = start + skipped;
        const float *p = m.p + skipped * e.score_step + j, *ds = m.ds + skipped * e.score_step + j;
        product(
          is_wide, e.width, block - skipped, p, 1, e.score_step, m.g + row * e.width, e.width, STRIP,
          m.dv + j * e.width, e.width, 1);
        // q is scaled already.
        product(
          is_wide, e.width, block - skipped, ds, 1, e.score_step, m.q + row * e.width, e.width, STRIP,
          m.dk + j * e.width, e.width, 1);
      }
    }
    unpack_rows(form.time, form.width, m.dk, e.width, 1.0f, dx + embedding, step);
    unpack_rows(form.time, form.width, m.dv, e.width, 1.0f, dx + 2 * embedding, step);
  }
}

// The same loops for each instruction set that has fused multiply-adds in vectors; without it they are right, but slow.
// (Not vector.h's clones: "avx2" alone has none, and the tiles differ.)
#if defined(__x86_64__) && defined(__linux__)
#define V4 __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define V3 __attribute__((target("arch=x86-64-v3")))

V4 static void attention_v4(
  lockstep_attention_form form, const float *qkv, const float *mask, float *y, float *scratch) {
  attention(1, form, qkv, mask, y, scratch);
}

V3 static void attention_v3(
  lockstep_attention_form form, const float *qkv, const float *mask, float *y, float *scratch) {
  attention(0, form, qkv, mask, y, scratch);
}

V4 static void attention_gradient_v4(
  lockstep_attention_form form, const float *qkv, const float *mask, const float *dy, float *dqkv, float *scratch) {
  attention_gradient(1, form, qkv, mask, dy, dqkv, scratch);
}

V3 static void attention_gradient_v3(
  lockstep_attention_form form, const float *qkv, const float *mask, const float *dy, float *dqkv, float *scratch) {
  attention_gradient(0, form, qkv, mask, dy, dqkv, scratch);
}

#define DISPATCH(function, ...)                                                     \
  if (__builtin_cpu_supports("x86-64-v4")) return function##_v4(__VA_ARGS__);       \
  if (__builtin_cpu_supports("x86-64-v3")) return function##_v3(__VA_ARGS__);
#else
#define DISPATCH(function, ...)
#endif

void lockstep_attention(
  lockstep_attention_form form, const float *qkv, const float *mask, float *y, float *scratch) {
  DISPATCH(attention, form, qkv, mask, y, scratch)
  attention(0, form, qkv, mask, y, scratch);
}

void lockstep_attention_gradient(
  lockstep_attention_form form, const float *qkv, const float *mask, const float *dy, float *dqkv, float *scratch) {
  DISPATCH(attention_gradient, form, qkv, mask, dy, dqkv, scratch)
  attention_gradient(0, form, qkv, mask, dy, dqkv, scratch);
}
