// Batch normalization: x [batch, channels, spatial], or [batch, channels / block, spatial, block] with block 8 or 16.
#pragma once
#include <stddef.h>

// statistics [2, channels]: mean and biased variance. sums [2, channels]: Σ dy·x̂ and Σ dy, x̂ being x normalized.
// With relu, y is max(0, …), and dy is what arrives behind that: it is stopped where y is 0.
typedef struct {
  size_t batch, channels, spatial, block;
  float epsilon;
  int relu;
} lockstep_batch_normalization;
void lockstep_channel_statistics(lockstep_batch_normalization form, const float *x, float *statistics);
// y = (x − mean) / √(variance + ε) · weight + bias, plus `added` unless it is null, before any ReLU; y may be x or added.
void lockstep_normalize(
  lockstep_batch_normalization form, const float *x, const float *statistics, const float *weight,
  const float *bias, const float *added, float *y);
void lockstep_normalize_sums(
  lockstep_batch_normalization form, const float *x, const float *statistics, const float *weight,
  const float *bias, const float *dy, float *sums);
// dx where the statistics are those of x itself; dx may be x or dy.
void lockstep_normalize_gradient(
  lockstep_batch_normalization form, const float *x, const float *statistics, const float *weight,
  const float *bias, const float *dy, const float *sums, float *dx);
// dx where the statistics are constants: dy · weight / √(variance + ε); dx may be x or dy.
void lockstep_normalize_frozen_gradient(
  lockstep_batch_normalization form, const float *x, const float *statistics, const float *weight,
  const float *bias, const float *dy, float *dx);
