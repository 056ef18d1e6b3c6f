// Layer and RMS normalization of rows; letters as in kernels.h. Means and variances are told from x anew wherever
// they are needed: that costs less than to keep them.
#pragma once
#include <stddef.h>

// With centering: layer normalization (the row's mean is taken off); without: RMS normalization.
typedef struct {
  size_t rows, columns;
  float epsilon;
  int is_centered;
} lockstep_normalization;

// y = (x − mean)/√(variance + epsilon) · weight + bias, row by row; bias [columns] may be null.
void lockstep_normalize_rows(lockstep_normalization form, const float *x, const float *weight, const float *bias, float *y);
// dx = carried + the gradient of x; carried, a gradient that reaches x on another way, may be null, and dx.
void lockstep_normalize_rows_input_gradient(
  lockstep_normalization form, const float *x, const float *weight, const float *dy, const float *carried, float *dx);
// dweight[c] = Σ_r dy[r, c] · normalized(x)[r, c] and dbias[c] = Σ_r dy[r, c], the rows one after the other; dbias may
// be null.
void lockstep_normalize_rows_sums(
  lockstep_normalization form, const float *x, const float *dy, float *dweight, float *dbias);
