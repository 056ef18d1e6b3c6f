// The fused loops that Swift does not vectorize. Each has a plain Swift reference beside it in the module that calls it.
//
// Bits do not depend on the instruction set: floating-point contraction is off, and every sum runs in a fixed number of
// lanes, whatever the width of the machine's vectors. Pointers that a loop reads and writes may be equal, never
// overlapping otherwise. Letters: n elements, r rows, c columns.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef enum {
  lockstep_activation_none = 0,
  lockstep_activation_sigmoid = 1,
  lockstep_activation_tanh = 2,
  lockstep_activation_relu = 3,
  lockstep_activation_leaky_relu = 4,
  lockstep_activation_gelu = 5,
  lockstep_activation_gelu_tanh = 6,
  lockstep_activation_silu = 7,
} lockstep_activation;

// elementwise.c
void lockstep_add(const float *a, const float *b, float *y, size_t n);
void lockstep_multiply(const float *a, const float *b, float *y, size_t n);
void lockstep_scale(const float *x, float factor, float *y, size_t n);
// The largest magnitude among x, as the bits of a float; those of a NaN or an infinity compare above every number's.
uint32_t lockstep_largest_magnitude(const float *x, size_t n);
// The sum of squares of x·factor, in double precision.
double lockstep_sum_of_squares(const float *x, float factor, size_t n);

// bfloat16.c: floats whose lower half is zero, rounded to the nearest, ties to even; a NaN stays one.
void lockstep_round_bfloat16(const float *x, float *y, size_t n);
// y = a + b, rounded.
void lockstep_add_bfloat16(const float *a, const float *b, float *y, size_t n);
// The upper halves of values that are rounded already, one behind the other, and back. They lie apart.
void lockstep_pack_bfloat16(const float *x, void *packed, size_t n);
void lockstep_unpack_bfloat16(const void *packed, float *y, size_t n);

// activations.c
void lockstep_activate(lockstep_activation kind, const float *x, float *y, size_t n);
// y[r, c] = activation(x[r, c] + bias[c]); bias may be null.
void lockstep_bias_activate(lockstep_activation kind, const float *bias, float *y, size_t r, size_t c);
// y[r, c] += bias[c] + residual[r, c]; bias may be null.
void lockstep_bias_residual(const float *bias, const float *residual, float *y, size_t r, size_t c);
// dx = dy · activation′, told from the activation's output, for GELU and SiLU from its input.
void lockstep_activation_gradient(lockstep_activation kind, const float *from, const float *dy, float *dx, size_t n);

// reductions.c
// y[o, i] = Σ_a x[o, a, i]
void lockstep_reduce_sum(const float *x, float *y, size_t outer, size_t axis, size_t inner);
// y[o, a, i] = x[o, i]
void lockstep_broadcast(const float *x, float *y, size_t outer, size_t axis, size_t inner);

// softmax.c
void lockstep_softmax(const float *x, float *y, size_t r, size_t c);
void lockstep_softmax_gradient(const float *y, const float *dy, float *dx, size_t r, size_t c);

// losses.c: a loss a row; dl is the gradient that arrives at each. q = (1 − smoothing)·target + smoothing/c.
// loss[r] = −Σ_c q[r, c] log softmax(x[r])[c]
void lockstep_cross_entropy(
  const float *x, const int32_t *labels, float smoothing, float *loss, size_t r, size_t c);
// dx = dl · (softmax(x) − q)
void lockstep_cross_entropy_gradient(
  const float *x, const int32_t *labels, float smoothing, const float *dl, float *dx, size_t r, size_t c);
void lockstep_soft_cross_entropy(
  const float *x, const float *target, float smoothing, float *loss, size_t r, size_t c);
// dx = dl · (softmax(x) Σ_c q − q)
void lockstep_soft_cross_entropy_gradient(
  const float *x, const float *target, float smoothing, const float *dl, float *dx, size_t r, size_t c);
typedef enum {
  lockstep_squared_loss = 0,
  lockstep_absolute_loss = 1,
  lockstep_huber_loss = 2,
  lockstep_binary_cross_entropy_loss = 3,
} lockstep_value_loss_kind;
// loss[r] = (1/c) Σ_c kind(prediction, target); delta is Huber's.
void lockstep_value_loss(
  lockstep_value_loss_kind kind, float delta, const float *prediction, const float *target, float *loss, size_t r,
  size_t c);
void lockstep_value_loss_gradient(
  lockstep_value_loss_kind kind, float delta, const float *prediction, const float *target, const float *dl,
  float *dx, size_t r, size_t c);
// The rows whose largest element is the label's; the first of equal ones counts as the largest.
size_t lockstep_count_correct(const float *x, const int32_t *labels, size_t r, size_t c);
// The rows whose largest element is at the place of the target's.
size_t lockstep_count_agreeing(const float *x, const float *target, size_t r, size_t c);

// dropout.c
// y = x·factor where the element's 32 random bits are at least threshold, else 0: one run of n elements of one
// sample, whose first Philox block is `block`. Number 16j + l of every 64 is word j of block l.
void lockstep_dropout(
  uint32_t key0, uint32_t key1, uint64_t sample, uint32_t block, uint32_t threshold, float factor, const float *x,
  float *y, size_t n);

// transpose.c
// y[o, b, m, a, i] = x[o, a, m, b, i]
void lockstep_transpose(
  const float *x, float *y, size_t outer, size_t first, size_t middle, size_t second, size_t inner);

// recurrent.c: one time step of b rows of n cells, after or before its matrix product. u is the product of the
// previous state and the recurrent weight, `previous` the previous state (LSTM: cell state); both are null in the
// first step, where the previous state is 0.
// y = activation(x + u) for n elements, whatever their rows; u may be y.
void lockstep_rnn_step(lockstep_activation kind, const float *x, const float *u, float *y, size_t n);
// d = (dy + carried) · activation′, told from y.
void lockstep_rnn_step_gradient(
  lockstep_activation kind, const float *y, const float *dy, const float *carried, float *d, size_t n);
// gates [b, 4n] hold u and become i, f, g, o; c and h are the new states.
void lockstep_lstm_step(
  const float *x, const float *previous, float *gates, float *c, float *h, size_t b, size_t n);
// d [b, 4n] = the gradients of the gates' sums, from dh + carried_h and carried_c, which becomes that of `previous`.
void lockstep_lstm_step_gradient(
  const float *gates, const float *c, const float *previous, const float *dh, const float *carried_h,
  float *carried_c, float *d, size_t b, size_t n);
// gates [b, 4n] hold u in their first 3n columns and become r, z, n and the recurrent part of n's sum,
// bias included, which may be null.
void lockstep_gru_step(
  const float *x, const float *bias, const float *previous, float *gates, float *h, size_t b, size_t n);
// d and du [b, 3n] = the gradients of x and of u, from dh + carried, which becomes the part of the previous
// state's gradient that does not pass u.
void lockstep_gru_step_gradient(
  const float *gates, const float *previous, const float *dh, float *carried, float *d, float *du, size_t b,
  size_t n);

// optimizers.c: one pass over a slice of the parameter vector; g is a sum of gradients, scale makes it a mean.
typedef struct {
  float scale, learning_rate, momentum, undampened, weight_decay;
  int nesterov;
} lockstep_sgd;
// The gradient is g + h, or g alone where h is null. velocity may be null where momentum is 0.
void lockstep_sgd_update(
  lockstep_sgd s, const float *g, const float *h, float *w, float *velocity, size_t n);

// rest1 = 1 − beta1 and rest2 = 1 − beta2, rounded once: 1 − 0.999 in single precision is off by 1.3e-5.
typedef struct {
  float scale, step_size, beta1, rest1, beta2, rest2, root_correction, epsilon, l2, decay_factor;
} lockstep_adam;
// The gradient is g + h, or g alone where h is null.
void lockstep_adam_update(
  lockstep_adam s, const float *g, const float *h, float *w, float *m, float *v, size_t n);

typedef struct {
  float scale, learning_rate, alpha, rest, momentum, epsilon, weight_decay;
} lockstep_rmsprop;
// average may be null where the rule is not centered, velocity where momentum is 0.
void lockstep_rmsprop_update(
  lockstep_rmsprop s, const float *g, float *w, float *square, float *velocity, float *average, size_t n);

typedef struct {
  float scale, learning_rate, epsilon, weight_decay;
} lockstep_adagrad;
void lockstep_adagrad_update(lockstep_adagrad s, const float *g, float *w, float *sum, size_t n);

typedef struct {
  float scale, learning_rate, beta1, rest1, beta2, rest2, decay_factor;
} lockstep_lion;
void lockstep_lion_update(lockstep_lion s, const float *g, float *w, float *m, size_t n);

// LAMB's direction takes the place of the gradient: u = step_size·m / (√v·root_correction + ε) + l2·w; w stays.
void lockstep_lamb_direction(lockstep_adam s, float *g, const float *w, float *m, float *v, size_t n);
// g = g·scale + l1·sign(w) + l2·w
void lockstep_penalize(float scale, float l1, float l2, float *g, const float *w, size_t n);
// average = decay·average + rest·w
void lockstep_follow(float decay, float rest, const float *w, float *average, size_t n);
void lockstep_swap(float *a, float *b, size_t n);
