// The softmax of a panel of scores, all of its rows at once: a row alone would wait for its own sums.
#pragma once
#include <math.h>

#include "attention_tiles.h"

// Scores are multiplied by log₂ e before: powers of 2 need less than powers of e.
#define LOG2_E 1.44269504088896341f
#define LN_2 0.693147180559945309f

// 2^x for x ≤ 0; 0 below −125. x = n + r with |r| ≤ ½, a polynomial in r of relative error 2e-9, 2ⁿ through the exponent
// bits. A NaN passes.
INLINE vector power_of_two(vector x) {
  vector bounded = x < -125.0f ? (vector)-125.0f : x;
  // Adding 1.5·2²³ rounds to an integer in the low bits; 127 is the exponent's bias.
  vector shifted = bounded + 12583039.0f;
  vector r = bounded - (shifted - 12583039.0f);
  vector p = 1.5353362e-4f;
  p = __builtin_elementwise_fma(p, r, (vector)1.3398875e-3f);
  p = __builtin_elementwise_fma(p, r, (vector)9.61843692e-3f);
  p = __builtin_elementwise_fma(p, r, (vector)5.55033237e-2f);
  p = __builtin_elementwise_fma(p, r, (vector)2.40226477e-1f);
  p = __builtin_elementwise_fma(p, r, (vector)6.93147182e-1f);
  p = __builtin_elementwise_fma(p, r, (vector)1.0f);
  integers power = (integers)shifted << 23;
  return x < -125.0f ? (vector)0.0f : p * (vector)power;
}

// A number for each row of a panel.
typedef float numbers __attribute__((ext_vector_type(PANEL)));

#define LOW_HALVES(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define HIGH_HALVES(a, b) __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
#define LOW_QUARTERS(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
#define HIGH_QUARTERS(a, b) __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)
#define LOW_PAIRS(a, b) __builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29)
#define HIGH_PAIRS(a, b) __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31)

// Combines the lanes of each of the panel's vectors, in the order of sum_of_lanes, two, four and eight vectors at once.
#define COMBINED(combine, v)                                                                              \
  ({                                                                                                      \
    vector half_[4], quarter_[2];                                                                         \
    for (int i_ = 0; i_ < 4; i_++)                                                                        \
      half_[i_] = combine(LOW_HALVES(v[2 * i_], v[2 * i_ + 1]), HIGH_HALVES(v[2 * i_], v[2 * i_ + 1]));   \
    for (int i_ = 0; i_ < 2; i_++)                                                                        \
      quarter_[i_] = combine(                                                                             \
        LOW_QUARTERS(half_[2 * i_], half_[2 * i_ + 1]), HIGH_QUARTERS(half_[2 * i_], half_[2 * i_ + 1])); \
    vector pair_ = combine(LOW_PAIRS(quarter_[0], quarter_[1]), HIGH_PAIRS(quarter_[0], quarter_[1]));    \
    vector other_ = __builtin_shufflevector(pair_, pair_, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14); \
    vector all_ = combine(pair_, other_);                                                                 \
    __builtin_shufflevector(all_, all_, 0, 2, 4, 6, 8, 10, 12, 14);                                       \
  })

INLINE vector added(vector a, vector b) { return a + b; }

// Which scores of a panel count: of row r the first counts(r), and of those what the mask allows.
typedef struct {
  size_t first_count, limit;  // row r has `first_count + r` scores, or `limit` if that is less
  const float *mask;          // or null
} panel_scores;

// What does not count becomes −∞. All of it but for the mask's part is in the last vector of a row.
INLINE void close_scores(panel_scores which, float *s, size_t step, size_t padded) {
  const integers lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  integers place = lane + (int32_t)(padded - LANES);
  for (size_t r = 0; r < PANEL; r++) {
    vector *last = (vector *)(s + r * step + padded - LANES);
    *last = place < (int32_t)smaller(which.first_count + r, which.limit) ? *last : (vector)-INFINITY;
  }
  if (which.mask)
    for (size_t j = 0; j < smaller(padded, which.limit); j++)
      if (which.mask[j] == 0.0f)
        for (size_t r = 0; r < PANEL; r++) s[r * step + j] = -INFINITY;
}

// The largest score of each row; 0 where nothing counts.
INLINE numbers largest_scores(const float *s, size_t step, size_t padded) {
  vector most[PANEL];
  for (int r = 0; r < PANEL; r++) most[r] = *(const vector *)(s + r * step);
  for (size_t j = LANES; j < padded; j += LANES)
    for (int r = 0; r < PANEL; r++) most[r] = larger(most[r], *(const vector *)(s + r * step + j));
  numbers result = COMBINED(larger, most);
  return result == -INFINITY ? (numbers)0.0f : result;
}

// 1/x; 0 where x is: rows of which nothing counts.
INLINE numbers inverses(numbers x) { return x == 0.0f ? (numbers)0.0f : 1.0f / x; }

// The panel's scores become 2^(score − largest). Returns the inverses of the rows' sums.
INLINE numbers exponentials_of_scores(panel_scores which, float *s, size_t step, size_t padded) {
  close_scores(which, s, step, padded);
  numbers largest = largest_scores(s, step, padded);
  vector sums[PANEL];
  for (int first = 0; first < PANEL; first += PANEL / 2) {
    vector sum[PANEL / 2], most[PANEL / 2];
    for (int r = 0; r < PANEL / 2; r++) sum[r] = 0.0f, most[r] = (vector)largest[first + r];
    for (size_t j = 0; j < padded; j += LANES)
      for (int r = 0; r < PANEL / 2; r++) {
        vector *score = (vector *)(s + (first + r) * step + j);
        vector value = power_of_two(*score - most[r]);
        *score = value;
        sum[r] += value;
      }
    for (int r = 0; r < PANEL / 2; r++) sums[first + r] = sum[r];
  }
  return inverses(COMBINED(added, sums));
}

// p holds scores and ds the gradients of the probabilities: they become the probabilities and the gradients of the
// scores, ds = p · (dp − Σ p·dp).
INLINE void softmax_backward(panel_scores which, float *p, float *ds, size_t step, size_t padded) {
  close_scores(which, p, step, padded);
  numbers largest = largest_scores(p, step, padded);
  vector sums[PANEL], dots[PANEL];
  for (int first = 0; first < PANEL; first += PANEL / 2) {
    vector sum[PANEL / 2], dot[PANEL / 2], most[PANEL / 2];
    for (int r = 0; r < PANEL / 2; r++) sum[r] = dot[r] = 0.0f, most[r] = (vector)largest[first + r];
    for (size_t j = 0; j < padded; j += LANES)
      for (int r = 0; r < PANEL / 2; r++) {
        size_t place = (first + r) * step + j;
        vector value = power_of_two(*(vector *)(p + place) - most[r]);
        *(vector *)(p + place) = value;
        sum[r] += value;
        dot[r] = __builtin_elementwise_fma(value, *(vector *)(ds + place), dot[r]);
      }
    for (int r = 0; r < PANEL / 2; r++) sums[first + r] = sum[r], dots[first + r] = dot[r];
  }
  numbers inverse = inverses(COMBINED(added, sums)), mean = COMBINED(added, dots) * inverse;
  for (int r = 0; r < PANEL; r++) {
    vector factor = (vector)inverse[r], taken = (vector)mean[r];
    for (size_t j = 0; j < padded; j += LANES) {
      vector value = *(vector *)(p + r * step + j) * factor;
      *(vector *)(p + r * step + j) = value;
      *(vector *)(ds + r * step + j) = value * (*(vector *)(ds + r * step + j) - taken);
    }
  }
}
