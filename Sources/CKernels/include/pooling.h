// Pooling over images [planes, height, width, lanes]. Plain ones have one lane, blocked ones 8 or 16 channels side by
// side. Nothing overlaps. Bits do not depend on the instruction set.
#pragma once
#include <stddef.h>

typedef struct {
  size_t planes, lanes, height, width, output_height, output_width;
  size_t window_height, window_width, stride_height, stride_width, padding_height, padding_width;
  int counts_padding;  // of averages: whether padding counts as zeros or not at all
} lockstep_pooling;
// The floats that `scratch` of the functions below must hold; none for blocked images.
size_t lockstep_pool_scratch(lockstep_pooling form);
// The maximum of each window; the last NaN where there is one.
void lockstep_max_pool(lockstep_pooling form, const float *x, float *y, float *scratch);
// dy goes to the first of a window's largest, row by row, which is looked for again in x.
void lockstep_max_pool_gradient(
  lockstep_pooling form, const float *x, const float *dy, float *dx, float *scratch);
void lockstep_average_pool(lockstep_pooling form, const float *x, float *y, float *scratch);
void lockstep_average_pool_gradient(lockstep_pooling form, const float *dy, float *dx, float *scratch);
// y[planes, lanes] = the mean of x[planes, area, lanes]
void lockstep_global_average(const float *x, float *y, size_t planes, size_t area, size_t lanes);
void lockstep_global_average_gradient(const float *dy, float *dx, size_t planes, size_t area, size_t lanes);
