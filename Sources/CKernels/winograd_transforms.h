// The one-dimensional transforms of Winograd's algorithm for 4 results of a kernel of 3, each on vectors of 16 channels.
//
// A polynomial of degree 5 is known by its values at six points; here 0, ±a, ±b and ∞, with a = 5/8 and b = 3/2. Of the
// pairs that were tried, these have the smallest rounding errors, half of those at ±1 and ±2.
#pragma once
#include "vector.h"

#if defined(__x86_64__)
#define WIDE __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#else
#define WIDE
#endif
#define INLINE static inline __attribute__((always_inline)) WIDE
#define UNROLL _Pragma("clang loop unroll(full)")

typedef float vector __attribute__((vector_size(64)));
typedef int32_t mask __attribute__((vector_size(64)));
typedef float unaligned __attribute__((vector_size(64), aligned(4)));

#define LOAD(from) (*(const unaligned *)(from))
#define STORE(to, value) (*(unaligned *)(to) = (value))
// a · b + c, rounded once: the same bits wherever it runs.
#define FMA(a, b, c) __builtin_elementwise_fma(a, b, c)

INLINE vector all(float s) { return (vector){s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s}; }

#define A 0.625f
#define A2 (A * A)
#define A3 (A * A * A)
#define B 1.5f
#define B2 (B * B)
#define B3 (B * B * B)
// One over the product of a point's distances from the other four finite ones.
#define SHARE_0 (float)(1.0 / ((double)A2 * (double)B2))
#define SHARE_A (float)(1.0 / (2.0 * (double)A2 * ((double)A2 - (double)B2)))
#define SHARE_B (float)(1.0 / (2.0 * (double)B2 * ((double)B2 - (double)A2)))

// d, 6 values of the source → v
INLINE void source_points(const vector d[6], vector v[6]) {
  vector even_a = FMA(all(-B2), d[2], d[4]), odd_a = FMA(all(-B2), d[1], d[3]);
  vector even_b = FMA(all(-A2), d[2], d[4]), odd_b = FMA(all(-A2), d[1], d[3]);
  v[0] = FMA(all(A2 * B2), d[0], FMA(all(-(A2 + B2)), d[2], d[4]));
  v[1] = FMA(all(A), odd_a, even_a);
  v[2] = FMA(all(-A), odd_a, even_a);
  v[3] = FMA(all(B), odd_b, even_b);
  v[4] = FMA(all(-B), odd_b, even_b);
  v[5] = FMA(all(A2 * B2), d[1], FMA(all(-(A2 + B2)), d[3], d[5]));
}

// m, products at the points → y, 4 results
INLINE void results(const vector m[6], vector y[4]) {
  vector even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
  y[0] = m[0] + (even_a + even_b);
  y[1] = FMA(all(A), odd_a, all(B) * odd_b);
  y[2] = FMA(all(A2), even_a, all(B2) * even_b);
  y[3] = FMA(all(A3), odd_a, FMA(all(B3), odd_b, m[5]));
}

// g, 3 weights → u
INLINE void weight_points(const vector g[3], vector u[6]) {
  vector even_a = FMA(all(A2), g[2], g[0]), even_b = FMA(all(B2), g[2], g[0]);
  u[0] = g[0] * all(SHARE_0);
  u[1] = FMA(all(A), g[1], even_a) * all(SHARE_A);
  u[2] = FMA(all(-A), g[1], even_a) * all(SHARE_A);
  u[3] = FMA(all(B), g[1], even_b) * all(SHARE_B);
  u[4] = FMA(all(-B), g[1], even_b) * all(SHARE_B);
  u[5] = g[2];
}

// The transpose of `results`: dy, 4 gradients of results → w
INLINE void gradient_points(const vector dy[4], vector w[6]) {
  vector even_a = FMA(all(A2), dy[2], dy[0]), odd_a = FMA(all(A2), dy[3], dy[1]);
  vector even_b = FMA(all(B2), dy[2], dy[0]), odd_b = FMA(all(B2), dy[3], dy[1]);
  w[0] = dy[0];
  w[1] = FMA(all(A), odd_a, even_a);
  w[2] = FMA(all(-A), odd_a, even_a);
  w[3] = FMA(all(B), odd_b, even_b);
  w[4] = FMA(all(-B), odd_b, even_b);
  w[5] = dy[3];
}

// The transpose of `weight_points`: du → dg, 3 gradients of weights
INLINE void weight_gradients(const vector du[6], vector dg[3]) {
  vector even_a = (du[1] + du[2]) * all(SHARE_A), odd_a = (du[1] - du[2]) * all(SHARE_A * A);
  vector even_b = (du[3] + du[4]) * all(SHARE_B), odd_b = (du[3] - du[4]) * all(SHARE_B * B);
  dg[0] = FMA(du[0], all(SHARE_0), even_a + even_b);
  dg[1] = odd_a + odd_b;
  dg[2] = FMA(all(A2), even_a, FMA(all(B2), even_b, du[5]));
}
