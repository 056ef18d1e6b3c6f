// Matrix products of our own: for those that oneDNN's sgemm is slower at, and with a bias and an activation on the way.
//
// An element's products are summed over the depth in one order: from 0 within blocks of 256, the blocks' sums in turn.
// It depends on neither the instruction set nor the extents, so equal operands give equal bits wherever fused
// multiply-adds are to be had (everywhere but on x86 processors of before 2013, where these functions are slow too).
#pragma once
#include "kernels.h"

// Whether this processor has the vectors for which the tiles here were measured: AVX-512.
int lockstep_has_wide_products(void);

// The right side of a product, b [depth, columns], stored so or transposed, in the order in which tiles read it.
size_t lockstep_packed_count(size_t depth, size_t columns);
void lockstep_pack(size_t depth, size_t columns, int is_transposed, const float *b, float *packed);

// y [rows, columns] = (y +) a [rows, depth] · b, where packed holds b. later_count elements from later on, which the
// caller reads next, are brought nearer meanwhile; there may be none.
void lockstep_packed_product(
  size_t rows, size_t columns, size_t depth, const float *a, const float *packed, int adds, float *y, size_t y_row,
  const float *later, size_t later_count);

// y [rows, columns] = activation(a [rows, depth] · bᵀ + bias [columns]), b [columns, depth]; bias may be null.
size_t lockstep_product_scratch(size_t rows, size_t columns, size_t depth);
void lockstep_product(
  size_t rows, size_t columns, size_t depth, const float *a, const float *b, const float *bias,
  lockstep_activation activation, float *y, float *scratch);

// y [rows, columns] = aᵀ · b, a [depth, rows], b [depth, columns], for a small depth: a weight's gradient over a small
// batch. Scratch memory grows with the depth.
size_t lockstep_shallow_product_scratch(size_t rows, size_t depth);
void lockstep_shallow_product(
  size_t rows, size_t columns, size_t depth, const float *a, const float *b, float *y, float *scratch);

// For tests: the calling thread's products and attention by the tiles of processors without AVX-512 from now on.
void lockstep_narrow_products(int is_narrow);
