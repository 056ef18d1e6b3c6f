// Pooling over images [planes, height, width, lanes], a vector being the channels that lie side by side. Of a plain
// image 16 planes at a time are brought into that form, in scratch memory, and the results back: rows are too short for
// vectors.
#include <math.h>
#include <string.h>

#include "pooling.h"
#include "vector.h"

#define INLINE static inline __attribute__((always_inline))

typedef float numbers __attribute__((vector_size(64)));
typedef int32_t integers __attribute__((vector_size(64)));
typedef float unaligned __attribute__((vector_size(64), aligned(4)));

// Eight lanes are the lower half of a vector. `lanes` is a constant, so that each of these is one instruction.
#define LOAD(name, from)                                                                                            \
  numbers name = {0};                                                                                               \
  memcpy(&name, from, lanes * sizeof(float))
#define STORE(name, to) memcpy(to, &name, lanes * sizeof(float))

typedef struct { size_t from, to; } range;

// The positions of an image's axis that an output's window covers, padding left out.
INLINE range covered(size_t output, size_t window, size_t stride, size_t padding, size_t extent) {
  size_t start = output * stride, end = start + window;
  range result = {start < padding ? 0 : start - padding, end - padding};
  if (result.to > extent) result.to = extent;
  return result;
}

INLINE float divisor(const lockstep_pooling *p, range rows, range columns) {
  size_t counted = p->counts_padding ? p->window_height * p->window_width
                                     : (rows.to - rows.from) * (columns.to - columns.from);
  return (float)counted;
}

// Over the outputs of a plane, with the `rows` and `columns` that each one's window covers.
#define FOR_EACH_OUTPUT                                                                                             \
  for (size_t oy = 0; oy < p->output_height; oy++)                                                                  \
    for (size_t ox = 0; ox < p->output_width; ox++)                                                                 

#define WINDOW                                                                                                      \
  range rows = covered(oy, p->window_height, p->stride_height, p->padding_height, p->height);                       \
  range columns = covered(ox, p->window_width, p->stride_width, p->padding_width, p->width)

#define FOR_EACH_COVERED                                                                                            \
  for (size_t iy = rows.from; iy < rows.to; iy++)                                                                   \
    for (size_t ix = columns.from; ix < columns.to; ix++)

// A NaN counts as larger than every number.
#define IS_LARGER(value, best) (((value) > (best)) | ((value) != (value)))
#define CHOOSE(condition, yes, no) (((condition) & (yes)) | (~(condition) & (no)))

INLINE void max_plane(
  const lockstep_pooling *p, const float *restrict x, float *restrict y, const size_t lanes) {
  FOR_EACH_OUTPUT {
    WINDOW;
    numbers best = (numbers){0} - INFINITY;
    FOR_EACH_COVERED {
      LOAD(value, x + (iy * p->width + ix) * lanes);
      best = (numbers)CHOOSE(IS_LARGER(value, best), (integers)value, (integers)best);
    }
    STORE(best, y);
    y += lanes;
  }
}

// Whether an element may lie in two windows; whether each lies in exactly one.
INLINE int overlaps(const lockstep_pooling *p) {
  return p->stride_height < p->window_height || p->stride_width < p->window_width;
}

INLINE int tiles(const lockstep_pooling *p) {
  return p->stride_height == p->window_height && p->stride_width == p->window_width && p->padding_height == 0 &&
         p->padding_width == 0 && p->output_height * p->stride_height == p->height &&
         p->output_width * p->stride_width == p->width;
}

// With `adds`, windows may overlap: a gradient is the sum of what its windows give it, in the order of the outputs.
INLINE void max_gradient_plane(
  const lockstep_pooling *p, const float *restrict x, const float *restrict dy, float *restrict dx, const int adds,
  const size_t lanes) {
  if (!tiles(p)) memset(dx, 0, p->height * p->width * lanes * sizeof(float));
  FOR_EACH_OUTPUT {
    WINDOW;
    LOAD(arriving, dy);
    numbers best = (numbers){0} - INFINITY;
    integers place = (integers){0} + (int32_t)(rows.from * p->width + columns.from);
    FOR_EACH_COVERED {
      int32_t here = (int32_t)(iy * p->width + ix);
      LOAD(value, x + (size_t)here * lanes);
      integers larger = IS_LARGER(value, best);
      best = (numbers)CHOOSE(larger, (integers)value, (integers)best);
      place = CHOOSE(larger, here, place);
    }
    FOR_EACH_COVERED {
      int32_t here = (int32_t)(iy * p->width + ix);
      float *sum = dx + (size_t)here * lanes;
      numbers part = (numbers)((place == here) & (integers)arriving);
      if (adds) {
        LOAD(old, sum);
        part += old;
      }
      STORE(part, sum);
    }
    dy += lanes;
  }
}

INLINE void average_plane(
  const lockstep_pooling *p, const float *restrict x, float *restrict y, const size_t lanes) {
  FOR_EACH_OUTPUT {
    WINDOW;
    numbers sum = {0};
    FOR_EACH_COVERED {
      LOAD(value, x + (iy * p->width + ix) * lanes);
      sum += value;
    }
    sum /= divisor(p, rows, columns);
    STORE(sum, y);
    y += lanes;
  }
}

INLINE void average_gradient_plane(
  const lockstep_pooling *p, const float *restrict dy, float *restrict dx, const int adds, const size_t lanes) {
  if (!tiles(p)) memset(dx, 0, p->height * p->width * lanes * sizeof(float));
  FOR_EACH_OUTPUT {
    WINDOW;
    LOAD(arriving, dy);
    arriving /= divisor(p, rows, columns);
    FOR_EACH_COVERED {
      float *sum = dx + (iy * p->width + ix) * lanes;
      numbers part = arriving;
      if (adds) {
        LOAD(old, sum);
        part += old;
      }
      STORE(part, sum);
    }
    dy += lanes;
  }
}

#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#define EXCHANGE(distance, low, high)                                                                               \
  for (int i = 0; i < LANES; i++)                                                                                   \
    if ((i & distance) == 0) {                                                                                      \
      numbers a = r[i], b = r[i + distance];                                                                         \
      r[i] = PICK(a, b, low);                                                                                       \
      r[i + distance] = PICK(a, b, high);                                                                           \
    }
#define LOW1 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define HIGH1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#define LOW2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define HIGH2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define LOW4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define HIGH4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define LOW8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HIGH8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31

// to[column, row] = from[row, column], 16 by 16; rows beyond `rows` count as zeros, columns beyond `columns` are left.
INLINE void transpose_tile(
  const float *from, size_t from_stride, size_t rows, float *to, size_t to_stride, size_t columns) {
  numbers r[LANES];
  for (size_t i = 0; i < LANES; i++) r[i] = i < rows ? *(const unaligned *)(from + i * from_stride) : (numbers){0};
  EXCHANGE(8, LOW8, HIGH8)
  EXCHANGE(4, LOW4, HIGH4)
  EXCHANGE(2, LOW2, HIGH2)
  EXCHANGE(1, LOW1, HIGH1)
  for (size_t i = 0; i < LANES; i++)
    if (i < columns) *(unaligned *)(to + i * to_stride) = r[i];
}

// tile[area, 16] = x[planes, area]; the last 16 columns may overlap those before, which they repeat.
INLINE void gather_planes(const float *x, size_t planes, size_t area, float *tile) {
  if (area < LANES) {
    for (size_t i = 0; i < area; i++)
      for (size_t l = 0; l < LANES; l++) tile[i * LANES + l] = l < planes ? x[l * area + i] : 0.0f;
    return;
  }
  for (size_t i = 0; i < area; i += LANES) {
    size_t column = i + LANES <= area ? i : area - LANES;
    transpose_tile(x + column, area, planes, tile + column * LANES, LANES, LANES);
  }
}

// x[planes, area] = tile[area, 16]
INLINE void scatter_planes(const float *tile, size_t planes, size_t area, float *x) {
  if (area < LANES) {
    for (size_t l = 0; l < planes; l++)
      for (size_t i = 0; i < area; i++) x[l * area + i] = tile[i * LANES + l];
    return;
  }
  for (size_t i = 0; i < area; i += LANES) {
    size_t column = i + LANES <= area ? i : area - LANES;
    transpose_tile(tile + column * LANES, LANES, LANES, x + column, area, planes);
  }
}

#define INPUT_AREA (p->height * p->width)
#define OUTPUT_AREA (p->output_height * p->output_width)

// Runs `body` for every plane of a blocked image. Bodies get the number of lanes as a constant: vectors need it.
#define FOR_EACH_PLANE(lanes, body)                                                                                 \
  for (size_t plane = 0; plane < p->planes; plane++) {                                                              \
    size_t input = plane * INPUT_AREA * lanes, output = plane * OUTPUT_AREA * lanes;                                \
    body;                                                                                                           \
  }

// Runs `body` for every `count` = 16 planes of a plain image, or as many as are left.
#define FOR_EACH_16_PLANES(body)                                                                                    \
  for (size_t plane = 0; plane < p->planes; plane += LANES) {                                                       \
    size_t input = plane * INPUT_AREA, output = plane * OUTPUT_AREA;                                                \
    size_t count = p->planes - plane < LANES ? p->planes - plane : LANES;                                           \
    body;                                                                                                           \
  }

size_t lockstep_pool_scratch(lockstep_pooling form) {
  const lockstep_pooling *p = &form;
  return form.lanes == 1 ? (INPUT_AREA * 2 + OUTPUT_AREA) * LANES : 0;
}

CLONES void lockstep_max_pool(lockstep_pooling form, const float *x, float *y, float *scratch) {
  const lockstep_pooling *p = &form;
  float *image = scratch, *result = scratch + INPUT_AREA * LANES;
  switch (p->lanes) {
    case 16: FOR_EACH_PLANE(16, max_plane(p, x + input, y + output, 16)) break;
    case 8: FOR_EACH_PLANE(8, max_plane(p, x + input, y + output, 8)) break;
    default:
      FOR_EACH_16_PLANES({
        gather_planes(x + input, count, INPUT_AREA, image);
        max_plane(p, image, result, LANES);
        scatter_planes(result, count, OUTPUT_AREA, y + output);
      })
  }
}

INLINE void max_gradient(
  const lockstep_pooling *p, const float *x, const float *dy, float *dx, float *scratch, const int adds) {
  float *image = scratch, *result = scratch + INPUT_AREA * LANES, *arriving = result + INPUT_AREA * LANES;
  switch (p->lanes) {
    case 16: FOR_EACH_PLANE(16, max_gradient_plane(p, x + input, dy + output, dx + input, adds, 16)) break;
    case 8: FOR_EACH_PLANE(8, max_gradient_plane(p, x + input, dy + output, dx + input, adds, 8)) break;
    default:
      FOR_EACH_16_PLANES({
        gather_planes(x + input, count, INPUT_AREA, image);
        gather_planes(dy + output, count, OUTPUT_AREA, arriving);
        max_gradient_plane(p, image, arriving, result, adds, LANES);
        scatter_planes(result, count, INPUT_AREA, dx + input);
      })
  }
}

CLONES void lockstep_max_pool_gradient(
  lockstep_pooling form, const float *x, const float *dy, float *dx, float *scratch) {
  if (overlaps(&form)) max_gradient(&form, x, dy, dx, scratch, 1);
  else max_gradient(&form, x, dy, dx, scratch, 0);
}

CLONES void lockstep_average_pool(lockstep_pooling form, const float *x, float *y, float *scratch) {
  const lockstep_pooling *p = &form;
  float *image = scratch, *result = scratch + INPUT_AREA * LANES;
  switch (p->lanes) {
    case 16: FOR_EACH_PLANE(16, average_plane(p, x + input, y + output, 16)) break;
    case 8: FOR_EACH_PLANE(8, average_plane(p, x + input, y + output, 8)) break;
    default:
      FOR_EACH_16_PLANES({
        gather_planes(x + input, count, INPUT_AREA, image);
        average_plane(p, image, result, LANES);
        scatter_planes(result, count, OUTPUT_AREA, y + output);
      })
  }
}

INLINE void average_gradient(const lockstep_pooling *p, const float *dy, float *dx, float *scratch, const int adds) {
  float *result = scratch, *arriving = scratch + INPUT_AREA * LANES;
  switch (p->lanes) {
    case 16: FOR_EACH_PLANE(16, average_gradient_plane(p, dy + output, dx + input, adds, 16)) break;
    case 8: FOR_EACH_PLANE(8, average_gradient_plane(p, dy + output, dx + input, adds, 8)) break;
    default:
      FOR_EACH_16_PLANES({
        gather_planes(dy + output, count, OUTPUT_AREA, arriving);
        average_gradient_plane(p, arriving, result, adds, LANES);
        scatter_planes(result, count, INPUT_AREA, dx + input);
      })
  }
}

CLONES void lockstep_average_pool_gradient(lockstep_pooling form, const float *dy, float *dx, float *scratch) {
  if (overlaps(&form)) average_gradient(&form, dy, dx, scratch, 1);
  else average_gradient(&form, dy, dx, scratch, 0);
}

// Four sums side by side, so that an addition need not wait for the one before it.
INLINE void blocked_mean(const float *x, float *y, size_t planes, size_t area, const size_t lanes) {
  for (size_t plane = 0; plane < planes; plane++, x += area * lanes, y += lanes) {
    float sum[4][LANES] = {{0}};
    size_t i = 0;
    for (; i + 4 <= area; i += 4)
      for (size_t k = 0; k < 4; k++)
        for (size_t l = 0; l < lanes; l++) sum[k][l] += x[(i + k) * lanes + l];
    for (size_t k = 0; i < area; i++, k++)
      for (size_t l = 0; l < lanes; l++) sum[k][l] += x[i * lanes + l];
    for (size_t l = 0; l < lanes; l++) y[l] = ((sum[0][l] + sum[1][l]) + (sum[2][l] + sum[3][l])) / (float)area;
  }
}

CLONES void lockstep_global_average(const float *x, float *y, size_t planes, size_t area, size_t lanes) {
  switch (lanes) {
    case 16: blocked_mean(x, y, planes, area, 16); return;
    case 8: blocked_mean(x, y, planes, area, 8); return;
  }
  for (size_t plane = 0; plane < planes; plane++) {
    const float *image = x + plane * area;
    float lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= area; i += LANES)
      for (int l = 0; l < LANES; l++) lane[l] += image[i + l];
    for (int l = 0; i < area; i++, l++) lane[l] += image[i];
    y[plane] = sum_of_lanes(lane) / (float)area;
  }
}

CLONES void lockstep_global_average_gradient(
  const float *dy, float *dx, size_t planes, size_t area, size_t lanes) {
  for (size_t plane = 0; plane < planes; plane++, dy += lanes, dx += area * lanes) {
    float part[LANES];
    for (size_t l = 0; l < lanes; l++) part[l] = dy[l] / (float)area;
    switch (lanes) {
      case 16:
        for (size_t i = 0; i < area; i++)
          for (size_t l = 0; l < 16; l++) dx[i * 16 + l] = part[l];
        break;
      case 8:
        for (size_t i = 0; i < area; i++)
          for (size_t l = 0; l < 8; l++) dx[i * 8 + l] = part[l];
        break;
      default:
        for (size_t i = 0; i < area; i++) dx[i] = part[0];
    }
  }
}
