// Convolutions with 3×3 kernels and stride 1 by Winograd's algorithm F(4×4, 3×3) (Lavin and Gray 2016), over images in
// blocks of 16 channels, [batch, channels / 16, height, width, 16]; all channels are multiples of 16. On x86-64 only
// for processors with AVX-512. Bits depend on the form alone.
#pragma once
#include <stddef.h>

// What is convolved is `source`, what comes out is `result`: x and y forward, dy and dx for the gradient of the input.
typedef struct {
  size_t batch;
  size_t source_channels, source_height, source_width;
  size_t result_channels, result_height, result_width;
  // Rows and columns of zeros above and to the left of the source; below and to the right, as many as it takes.
  size_t padding_height, padding_width;
  // Weights lie in plain order, [outputs, inputs, 3, 3]. Backward they are turned by 180° and change their sides.
  int is_backward;
} lockstep_winograd;

// What is done to the source when it is read: (x − mean) / √(variance + ε) · weight + bias, and ReLU. Null statistics
// leave it as it is.
typedef struct {
  const float *statistics, *weight, *bias;
  float epsilon;
  int relu;
} lockstep_winograd_normalization;

// What is done to the result before it is written: a bias [channels], another tensor of its shape and ReLU are applied,
// in this order; then it becomes 0 wherever `passing` is not above 0. Each may be missing; the result may lie where
// `added` or `passing` does.
typedef struct {
  const float *bias, *added, *passing;
  int relu;
} lockstep_winograd_finish;

// The floats that `scratch` must hold.
size_t lockstep_winograd_scratch(lockstep_winograd form);
void lockstep_winograd_convolve(
  lockstep_winograd form, lockstep_winograd_normalization normalization, const float *source, const float *weight,
  lockstep_winograd_finish finish, float *result, float *scratch);
// dweight, from x as source and dy in the form of the result; the form is that of the forward pass.
void lockstep_winograd_weight_gradient(
  lockstep_winograd form, lockstep_winograd_normalization normalization, const float *source, const float *dy,
  float *dweight, float *scratch);
