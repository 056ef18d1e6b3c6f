// Batch normalization over [batch, channels, spatial], plain or with `block` channels side by side.
//
// Values are walked in runs of vectors. Where channels lie side by side (in a block; any 16 where a sample has one
// value a channel) a vector's lanes are channels; else a run is a row of one channel's values, and its lanes are added
// up in the end. Sums run in float within a run, in a fixed number of lanes, and in double over the runs, so that long
// ones stay exact.
#include <string.h>

#include "batch_normalization.h"
#include "vector.h"

#define INLINE static inline __attribute__((always_inline))
// Sums side by side, so that an addition need not wait for the one before it.
#define CHAINS 4

// The channels that are worked on together, and where their values lie: vector i of run r begins at
// offset + r·run_stride + i·step. Behind a row's last whole vector `rest` values are left.
typedef struct {
  size_t first, channels, lanes;
  size_t offset, runs, run_stride, length, step, rest;
} group;

INLINE size_t group_count(const lockstep_batch_normalization *n) {
  if (n->block > 0) return n->channels / n->block;
  return n->spatial == 1 ? (n->channels + LANES - 1) / LANES : n->channels;
}

INLINE group group_at(const lockstep_batch_normalization *n, size_t index) {
  size_t sample = n->channels * n->spatial;
  if (n->block > 0)
    return (group){index * n->block, n->block, n->block, index * n->spatial * n->block,
                   n->batch, sample, n->spatial, n->block, 0};
  if (n->spatial == 1) {
    size_t first = index * LANES, left = n->channels - first, lanes = left < LANES ? left : LANES;
    return (group){first, lanes, lanes, first, 1, 0, n->batch, n->channels, 0};
  }
  return (group){index, 1, LANES, index * n->spatial,
                 n->batch, sample, n->spatial / LANES, LANES, n->spatial % LANES};
}

INLINE size_t run_size(const group *g) { return g->rest + g->length * (g->channels == 1 ? g->lanes : 1); }

// Calls `body` with the number of lanes as a constant where they are a whole vector: constants let loops be vectors.
#define WITH_CONSTANT_LANES(body, ...)                                                                              \
  switch (g.lanes) {                                                                                                \
    case 16: body(__VA_ARGS__, 16); break;                                                                          \
    case 8: body(__VA_ARGS__, 8); break;                                                                            \
    default: body(__VA_ARGS__, g.lanes);                                                                            \
  }

// Calls `at` for every vector of a run, the rest of a row included; arguments are expressions in position.
#define FOR_EACH_VECTOR(at, ...)                                                                                    \
  do {                                                                                                              \
    for (size_t i = 0, position = 0; i < g->length; i++, position += g->step) at(__VA_ARGS__, lanes);                \
    size_t position = g->length * g->step;                                                                          \
    if (g->rest > 0) at(__VA_ARGS__, g->rest);                                                                      \
  } while (0)

// The same where sums are made: vector i adds to the sum with number chain, which is i mod CHAINS.
#define FOR_EACH_VECTOR_AND_CHAIN(at, ...)                                                                          \
  do {                                                                                                              \
    size_t i = 0, position = 0, chain = 0;                                                                          \
    for (; i + CHAINS <= g->length; i += CHAINS) {                                                                  \
      chain = 0, at(__VA_ARGS__, lanes), position += g->step;                                                       \
      chain = 1, at(__VA_ARGS__, lanes), position += g->step;                                                       \
      chain = 2, at(__VA_ARGS__, lanes), position += g->step;                                                       \
      chain = 3, at(__VA_ARGS__, lanes), position += g->step;                                                       \
    }                                                                                                               \
    for (chain = 0; i < g->length; i++, chain++) at(__VA_ARGS__, lanes), position += g->step;                       \
    chain = 0;                                                                                                      \
    if (g->rest > 0) at(__VA_ARGS__, g->rest);                                                                      \
  } while (0)

// The chains as one sum a lane, or of a row as one in every lane.
INLINE void join(const group *g, float chain[CHAINS][LANES], float *sum, const size_t lanes) {
  for (size_t l = 0; l < lanes; l++) sum[l] = (chain[0][l] + chain[1][l]) + (chain[2][l] + chain[3][l]);
  if (g->channels > 1 || g->lanes == 1) return;
  float total = sum_of_lanes(sum);
  for (size_t l = 0; l < lanes; l++) sum[l] = total;
}

INLINE void add_values(const float *x, float *sum, const size_t lanes) {
  for (size_t l = 0; l < lanes; l++) sum[l] += x[l];
}

INLINE void add_distances(
  const float *x, const float *shift, float *sum, float *squares, const size_t lanes) {
  float distance[LANES];
  for (size_t l = 0; l < lanes; l++) distance[l] = x[l] - shift[l];
  for (size_t l = 0; l < lanes; l++) sum[l] += distance[l];
  for (size_t l = 0; l < lanes; l++) squares[l] += distance[l] * distance[l];
}

// The mean and the sum of squared distances from it of each run, put together by Chan, Golub and LeVeque's update. The
// distances are from a mean that was rounded; their own sum says by how much.
INLINE void moments(const group *g, const float *x, double *mean, double *squares, const size_t lanes) {
  double size = (double)run_size(g);
  for (size_t r = 0; r < g->runs; r++) {
    const float *run = x + g->offset + r * g->run_stride;
    float shift[LANES], distance[LANES], square[LANES];
    float value_chain[CHAINS][LANES] = {{0}}, square_chain[CHAINS][LANES] = {{0}};
    FOR_EACH_VECTOR_AND_CHAIN(add_values, run + position, value_chain[chain]);
    join(g, value_chain, shift, lanes);
    for (size_t l = 0; l < lanes; l++) shift[l] /= (float)size;
    memset(value_chain, 0, sizeof(value_chain));
    FOR_EACH_VECTOR_AND_CHAIN(add_distances, run + position, shift, value_chain[chain], square_chain[chain]);
    join(g, value_chain, distance, lanes);
    join(g, square_chain, square, lanes);
    double before = (double)r * size, after = before + size;
    for (size_t c = 0; c < g->channels; c++) {
      double off = (double)distance[c] / size, delta = (double)shift[c] + off - mean[c];
      squares[c] += (double)square[c] - off * off * size + delta * delta * (before * size / after);
      mean[c] += delta * (size / after);
    }
  }
}

CLONES void lockstep_channel_statistics(lockstep_batch_normalization form, const float *x, float *statistics) {
  for (size_t index = 0; index < group_count(&form); index++) {
    group g = group_at(&form, index);
    double mean[LANES] = {0}, squares[LANES] = {0};
    WITH_CONSTANT_LANES(moments, &g, x, mean, squares)
    for (size_t c = 0; c < g.channels; c++) {
      statistics[g.first + c] = (float)mean[c];
      statistics[form.channels + g.first + c] = (float)(squares[c] / (double)(form.batch * form.spatial));
    }
  }
}

// What normalization does to each lane: (x − shift)·factor + offset. The mean is taken off first, because products
// with it would cancel.
typedef struct { float shift[LANES], factor[LANES], offset[LANES]; } affine;

INLINE void prepare(
  const lockstep_batch_normalization *n, const group *g, const float *statistics, const float *weight,
  const float *bias, affine *a) {
  for (size_t l = 0; l < g->lanes; l++) {
    size_t channel = g->first + (g->channels == 1 ? 0 : l);
    float deviation = __builtin_elementwise_sqrt(statistics[n->channels + channel] + n->epsilon);
    a->shift[l] = statistics[channel];
    a->factor[l] = weight[channel] / deviation;
    a->offset[l] = bias[channel];
  }
}

INLINE float normalized(const affine *a, float x, size_t l) { return (x - a->shift[l]) * a->factor[l] + a->offset[l]; }

// Every lane is read before one is written: y may be x, or what is added.
INLINE void normalize_vector(
  const float *x, const float *added, const affine *a, float *y, const int adds, const int relu, const size_t lanes) {
  float value[LANES];
  for (size_t l = 0; l < lanes; l++) value[l] = normalized(a, x[l], l);
  if (adds)
    for (size_t l = 0; l < lanes; l++) value[l] += added[l];
  for (size_t l = 0; l < lanes; l++) y[l] = relu && value[l] <= 0.0f ? 0.0f : value[l];
}

INLINE void normalize_group(
  const group *g, const float *x, const float *added, const affine *a, float *y, const int adds, const int relu,
  const size_t lanes) {
  for (size_t r = 0; r < g->runs; r++) {
    size_t start = g->offset + r * g->run_stride;
    const float *rest = adds ? added + start : x + start;
    FOR_EACH_VECTOR(normalize_vector, x + start + position, rest + position, a, y + start + position, adds, relu);
  }
}

CLONES void lockstep_normalize(
  lockstep_batch_normalization form, const float *x, const float *statistics, const float *weight,
  const float *bias, const float *added, float *y) {
  for (size_t index = 0; index < group_count(&form); index++) {
    group g = group_at(&form, index);
    affine a;
    prepare(&form, &g, statistics, weight, bias, &a);
    if (added != NULL && form.relu) {
      WITH_CONSTANT_LANES(normalize_group, &g, x, added, &a, y, 1, 1)
    } else if (added != NULL) {
      WITH_CONSTANT_LANES(normalize_group, &g, x, added, &a, y, 1, 0)
    } else if (form.relu) {
      WITH_CONSTANT_LANES(normalize_group, &g, x, NULL, &a, y, 0, 1)
    } else {
      WITH_CONSTANT_LANES(normalize_group, &g, x, NULL, &a, y, 0, 0)
    }
  }
}

// The gradient behind a ReLU; whether it let x through is found again as it was found forward.
INLINE float arriving(const affine *a, float x, float dy, const int relu, size_t l) {
  return relu && normalized(a, x, l) <= 0.0f ? 0.0f : dy;
}

INLINE void add_products(
  const float *x, const float *dy, const affine *a, float *product, float *sum, const int relu,
  const size_t lanes) {
  float gradient[LANES];
  for (size_t l = 0; l < lanes; l++) gradient[l] = arriving(a, x[l], dy[l], relu, l);
  for (size_t l = 0; l < lanes; l++) product[l] += (x[l] - a->shift[l]) * gradient[l];
  for (size_t l = 0; l < lanes; l++) sum[l] += gradient[l];
}

INLINE void sums_of_group(
  const group *g, const float *x, const float *dy, const affine *a, double *product, double *sum, const int relu,
  const size_t lanes) {
  for (size_t r = 0; r < g->runs; r++) {
    size_t start = g->offset + r * g->run_stride;
    float product_chain[CHAINS][LANES] = {{0}}, sum_chain[CHAINS][LANES] = {{0}}, part[LANES];
    FOR_EACH_VECTOR_AND_CHAIN(
      add_products, x + start + position, dy + start + position, a, product_chain[chain], sum_chain[chain], relu);
    join(g, product_chain, part, lanes);
    for (size_t c = 0; c < g->channels; c++) product[c] += (double)part[c];
    join(g, sum_chain, part, lanes);
    for (size_t c = 0; c < g->channels; c++) sum[c] += (double)part[c];
  }
}

CLONES void lockstep_normalize_sums(
  lockstep_batch_normalization form, const float *x, const float *statistics, const float *weight,
  const float *bias, const float *dy, float *sums) {
  for (size_t index = 0; index < group_count(&form); index++) {
    group g = group_at(&form, index);
    double product[LANES] = {0}, sum[LANES] = {0};
    affine a;
    prepare(&form, &g, statistics, weight, bias, &a);
    if (form.relu) {
      WITH_CONSTANT_LANES(sums_of_group, &g, x, dy, &a, product, sum, 1)
    } else {
      WITH_CONSTANT_LANES(sums_of_group, &g, x, dy, &a, product, sum, 0)
    }
    for (size_t c = 0; c < g.channels; c++) {
      double variance = (double)statistics[form.channels + g.first + c] + (double)form.epsilon;
      sums[g.first + c] = (float)(product[c] / __builtin_elementwise_sqrt(variance));
      sums[form.channels + g.first + c] = (float)sum[c];
    }
  }
}

// dx = ((dy − level) − (x − shift)·slope)·factor: level is the mean of dy, slope that of dy·x̂ over the deviation.
typedef struct { float level[LANES], slope[LANES]; } correction;

// Every lane is read before one is written: dx may be dy, or x.
INLINE void gradient_vector(
  const float *x, const float *dy, const affine *a, const correction *k, float *dx, const int relu,
  const size_t lanes) {
  float value[LANES];
  for (size_t l = 0; l < lanes; l++) {
    float gradient = arriving(a, x[l], dy[l], relu, l);
    value[l] = ((gradient - k->level[l]) - (x[l] - a->shift[l]) * k->slope[l]) * a->factor[l];
  }
  for (size_t l = 0; l < lanes; l++) dx[l] = value[l];
}

INLINE void gradient_of_group(
  const group *g, const float *x, const float *dy, const affine *a, const correction *k, float *dx,
  const int relu, const size_t lanes) {
  for (size_t r = 0; r < g->runs; r++) {
    size_t start = g->offset + r * g->run_stride;
    FOR_EACH_VECTOR(gradient_vector, x + start + position, dy + start + position, a, k, dx + start + position, relu);
  }
}

CLONES void lockstep_normalize_gradient(
  lockstep_batch_normalization form, const float *x, const float *statistics, const float *weight,
  const float *bias, const float *dy, const float *sums, float *dx) {
  float count = (float)(form.batch * form.spatial);
  for (size_t index = 0; index < group_count(&form); index++) {
    group g = group_at(&form, index);
    affine a;
    correction k;
    prepare(&form, &g, statistics, weight, bias, &a);
    for (size_t l = 0; l < g.lanes; l++) {
      size_t channel = g.first + (g.channels == 1 ? 0 : l);
      float deviation = __builtin_elementwise_sqrt(statistics[form.channels + channel] + form.epsilon);
      k.level[l] = sums[form.channels + channel] / count;
      k.slope[l] = sums[channel] / (count * deviation);
    }
    if (form.relu) {
      WITH_CONSTANT_LANES(gradient_of_group, &g, x, dy, &a, &k, dx, 1)
    } else {
      WITH_CONSTANT_LANES(gradient_of_group, &g, x, dy, &a, &k, dx, 0)
    }
  }
}

INLINE void frozen_gradient_vector(
  const float *x, const float *dy, const affine *a, float *dx, const int relu, const size_t lanes) {
  float value[LANES];
  for (size_t l = 0; l < lanes; l++) value[l] = arriving(a, x[l], dy[l], relu, l) * a->factor[l];
  for (size_t l = 0; l < lanes; l++) dx[l] = value[l];
}

INLINE void frozen_gradient_of_group(
  const group *g, const float *x, const float *dy, const affine *a, float *dx, const int relu, const size_t lanes) {
  for (size_t r = 0; r < g->runs; r++) {
    size_t start = g->offset + r * g->run_stride;
    FOR_EACH_VECTOR(
      frozen_gradient_vector, x + start + position, dy + start + position, a, dx + start + position, relu);
  }
}

CLONES void lockstep_normalize_frozen_gradient(
  lockstep_batch_normalization form, const float *x, const float *statistics, const float *weight,
  const float *bias, const float *dy, float *dx) {
  for (size_t index = 0; index < group_count(&form); index++) {
    group g = group_at(&form, index);
    affine a;
    prepare(&form, &g, statistics, weight, bias, &a);
    if (form.relu) {
      WITH_CONSTANT_LANES(frozen_gradient_of_group, &g, x, dy, &a, dx, 1)
    } else {
      WITH_CONSTANT_LANES(frozen_gradient_of_group, &g, x, dy, &a, dx, 0)
    }
  }
}
