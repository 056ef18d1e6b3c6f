// Loops over images: plain ones [batch, channels, pixels], or where block is 8 or 16 those whose channels lie together
// in blocks, [batch, channels / block, pixels, block].
#pragma once
#include <stddef.h>

// images.c
// y = x + bias[c]; x and y may be equal.
void lockstep_add_to_channels(
  const float *x, const float *bias, float *y, size_t batch, size_t channels, size_t pixels, size_t block);
// y[c] = the sum of x over images and pixels
void lockstep_sum_of_channels(
  const float *x, float *y, size_t batch, size_t channels, size_t pixels, size_t block);
