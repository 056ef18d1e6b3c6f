// Vectors of a fixed number of lanes, for loops that compilers do not vectorize well by themselves.
#pragma once
#include "vector.h"

#define INLINE static inline __attribute__((always_inline))

// Vectors are passed only to functions that are inlined, so no calling convention is concerned.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float vector __attribute__((ext_vector_type(LANES), aligned(4)));
typedef int32_t integers __attribute__((ext_vector_type(LANES)));

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

// The first `count` lanes from x, fewer than all; `rest` in the others.
INLINE vector first_lanes(const float *x, size_t count, float rest) {
  float lane[LANES];
  for (size_t l = 0; l < LANES; l++) lane[l] = l < count ? x[l] : rest;
  return *(const vector *)lane;
}

INLINE void store_first_lanes(vector v, float *y, size_t count) {
  float lane[LANES];
  *(vector *)lane = v;
  for (size_t l = 0; l < LANES; l++)
    if (l < count) y[l] = lane[l];
}

// exponential() of each lane, for x ≤ 88.3.
INLINE vector exponentials_up_to_88(vector x) {
  float lane[LANES];
  *(vector *)lane = x;
  for (int l = 0; l < LANES; l++) lane[l] = exponential_up_to_88(lane[l]);
  return *(const vector *)lane;
}
