// oneDNN's convolutions and reorders as objects that a plan keeps: made once, run often, each run without an allocation
// of ours. Versions 2.6 and 3 of the library look alike from here.
//
// Weights, biases and their gradients lie in PyTorch's plain order; an object brings them into the order that its
// kernel wants, and back. Activations lie as their form says. Addresses may differ from run to run.
#pragma once
#include <primitive.h>
#include <stdint.h>

typedef enum {
  // x, weight, bias → y
  lockstep_convolution_forward = 0,
  // dy, weight → dx
  lockstep_convolution_input_gradient = 1,
  // x, dy → dw
  lockstep_convolution_weight_gradient = 2,
} lockstep_convolution_kind;

typedef struct {
  int64_t batch, groups;
  int64_t input_channels, input_height, input_width;
  int64_t output_channels, output_height, output_width;
  int64_t kernel_height, kernel_width;
  int64_t stride_height, stride_width;
  int64_t padding_height, padding_width;
  // The distance of a kernel's neighbouring elements: 1 for a dense kernel.
  int64_t dilation_height, dilation_width;
  // Images are [batch, channels / block, height, width, block], or [batch, channels, height, width] where this is 0.
  int64_t input_block, output_block;
  int adds_bias, applies_relu;
} lockstep_convolution;

// Null where oneDNN has no kernel for the form; status then holds oneDNN's.
lockstep_primitive *lockstep_convolution_create(
  lockstep_convolution_kind kind, const lockstep_convolution *form, int *status);
// The operands in the order of the kind; bias is read only where the form adds one. Returns oneDNN's status, 0 for
// success.
int lockstep_convolution_run(
  lockstep_primitive *primitive, const float *first, const float *second, const float *bias, float *result);
// oneDNN's name of the kernel that a convolution runs, for measurements.
const char *lockstep_convolution_kernel(const lockstep_primitive *primitive);

// Brings images from one layout to another, blocks as above.
lockstep_primitive *lockstep_reorder_create(
  int64_t batch, int64_t channels, int64_t height, int64_t width, int64_t from_block, int64_t to_block, int *status);
int lockstep_reorder_run(lockstep_primitive *primitive, const float *x, float *y);

// The channels that oneDNN's kernels for this processor keep together: 16, 8, or 0 for plain images.
int lockstep_channel_block(void);
