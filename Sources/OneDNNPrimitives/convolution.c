// A convolution of either direction. Each of its arguments is reordered where oneDNN's kernel wants another layout.
#include "onednn_primitives.h"

#include <stdlib.h>
#include <string.h>

#include "step.h"

typedef struct {
  lockstep_primitive base;
  dnnl_stream_t stream;
  step main;
  // Two operands, the bias where there is one, the result.
  argument arguments[4];
  int count;
  // In bytes.
  size_t scratch;
  char kernel[64];
} convolution;

static void destroy(lockstep_primitive *primitive) {
  convolution *c = (convolution *)primitive;
  release_step(&c->main);
  for (int i = 0; i < c->count; i++) release_argument(&c->arguments[i]);
  if (c->stream != NULL) dnnl_stream_destroy(c->stream);
  free(c);
}

// The layouts of a form's tensors, as they are given and as they are offered to oneDNN.
typedef struct {
  layout x, weight, bias, y;
  layout any_x, any_weight, any_y;
} layouts;

static dnnl_status_t make_layouts(layouts *l, const lockstep_convolution *f) {
  const dnnl_dims_t x = {f->batch, f->input_channels, f->input_height, f->input_width};
  const dnnl_dims_t y = {f->batch, f->output_channels, f->output_height, f->output_width};
  const dnnl_dims_t whole = {f->output_channels, f->input_channels, f->kernel_height, f->kernel_width};
  const dnnl_dims_t grouped = {
    f->groups, f->output_channels / f->groups, f->input_channels / f->groups, f->kernel_height, f->kernel_width};
  const dnnl_dims_t bias = {f->output_channels};
  const int axes = f->groups > 1 ? 5 : 4;
  const int64_t *weight = f->groups > 1 ? grouped : whole;
  dnnl_status_t status = make_layout(&l->x, 4, x, image_tag(f->input_block));
  if (status == dnnl_success) status = make_layout(&l->y, 4, y, image_tag(f->output_block));
  if (status == dnnl_success) status = make_layout(&l->bias, 1, bias, dnnl_x);
  if (status == dnnl_success) status = make_layout(&l->weight, axes, weight, axes == 5 ? dnnl_goihw : dnnl_oihw);
  if (status == dnnl_success) status = make_layout(&l->any_x, 4, x, dnnl_format_tag_any);
  if (status == dnnl_success) status = make_layout(&l->any_y, 4, y, dnnl_format_tag_any);
  if (status == dnnl_success) status = make_layout(&l->any_weight, axes, weight, dnnl_format_tag_any);
  return status;
}

static void release_layouts(layouts *l) {
  release_layout(&l->x);
  release_layout(&l->weight);
  release_layout(&l->bias);
  release_layout(&l->y);
  release_layout(&l->any_x);
  release_layout(&l->any_weight);
  release_layout(&l->any_y);
}

static dnnl_status_t describe_with(
  dnnl_primitive_desc_t *result, lockstep_convolution_kind kind, const convolution_description *c, bool applies_relu) {
  dnnl_primitive_attr_t attributes = make_attributes();
  if (attributes == NULL) return dnnl_out_of_memory;
  dnnl_post_ops_t operations = NULL;
  dnnl_primitive_desc_t forward = NULL;
  dnnl_status_t status = dnnl_success;
  if (kind == lockstep_convolution_forward && applies_relu) {
    status = dnnl_post_ops_create(&operations);
    if (status == dnnl_success) status = append_relu(operations);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(attributes, operations);
  }
  if (status == dnnl_success) status = describe_forward(&forward, shared_engine(), c, attributes);
  if (status == dnnl_success && kind == lockstep_convolution_input_gradient)
    status = describe_input_gradient(result, shared_engine(), c, forward, attributes);
  if (status == dnnl_success && kind == lockstep_convolution_weight_gradient)
    status = describe_weight_gradient(result, shared_engine(), c, forward, attributes);
  if (status == dnnl_success && kind == lockstep_convolution_forward) {
    *result = forward;
    forward = NULL;
  }
  if (forward != NULL) dnnl_primitive_desc_destroy(forward);
  if (operations != NULL) dnnl_post_ops_destroy(operations);
  dnnl_primitive_attr_destroy(attributes);
  return status;
}

static const char *kernel_name(const_dnnl_primitive_desc_t description) {
  const char *name = NULL;
  dnnl_primitive_desc_query(description, dnnl_query_impl_info_str, 0, &name);
  return name != NULL ? name : "";
}

// Kernels that are much slower than those for oneDNN's own layouts: plain loops, and products of copied patches.
static bool is_slow(const char *kernel) { return strncmp(kernel, "ref", 3) == 0 || strstr(kernel, "gemm") != NULL; }

// Asks for a kernel for the given images; where there is only a slow one, for the kernel that oneDNN likes best, whose
// images are then reordered. The layout of the weights is always oneDNN's choice.
static dnnl_status_t describe(
  dnnl_primitive_desc_t *result, lockstep_convolution_kind kind, const lockstep_convolution *f, const layouts *l) {
  convolution_description c = {
    .algorithm = dnnl_convolution_direct,
    .x = view(&l->x), .weight = view(&l->any_weight), .y = view(&l->y),
    .bias = f->adds_bias && kind == lockstep_convolution_forward ? view(&l->bias) : NULL,
    .stride = {f->stride_height, f->stride_width},
    // oneDNN counts the elements that are left out between two.
    .dilation = {f->dilation_height - 1, f->dilation_width - 1},
    .padding = {f->padding_height, f->padding_width},
  };
  dnnl_status_t status = describe_with(result, kind, &c, f->applies_relu);
  if (status == dnnl_success && !is_slow(kernel_name(*result))) return status;
  c.x = view(&l->any_x);
  c.y = view(&l->any_y);
  dnnl_primitive_desc_t other = NULL;
  dnnl_status_t second = describe_with(&other, kind, &c, f->applies_relu);
  if (second != dnnl_success || (status == dnnl_success && is_slow(kernel_name(other)))) {
    // Nothing better: the given layouts save the reorders.
    if (second == dnnl_success) dnnl_primitive_desc_destroy(other);
    return status;
  }
  if (status == dnnl_success) dnnl_primitive_desc_destroy(*result);
  *result = other;
  return dnnl_success;
}

static dnnl_status_t make_arguments(
  convolution *c, lockstep_convolution_kind kind, const lockstep_convolution *f, const layouts *l,
  const_dnnl_primitive_desc_t d) {
  argument *a = c->arguments;
  size_t *total = &c->scratch;
  layout_view x = view(&l->x), weight = view(&l->weight), bias = view(&l->bias), y = view(&l->y);
#define INNER(tensor) dnnl_primitive_desc_query_md(d, dnnl_query_##tensor##_md, 0)
  dnnl_status_t status = dnnl_success;
  switch (kind) {
    case lockstep_convolution_forward:
      c->count = f->adds_bias ? 4 : 3;
      status = make_argument(&a[0], DNNL_ARG_SRC, x, INNER(src), false, total);
      if (status == dnnl_success) status = make_argument(&a[1], DNNL_ARG_WEIGHTS, weight, INNER(weights), false, total);
      if (status == dnnl_success && f->adds_bias)
        status = make_argument(&a[2], DNNL_ARG_BIAS, bias, bias, false, total);
      if (status == dnnl_success) status = make_argument(&a[c->count - 1], DNNL_ARG_DST, y, INNER(dst), true, total);
      break;
    case lockstep_convolution_input_gradient:
      c->count = 3;
      status = make_argument(&a[0], DNNL_ARG_DIFF_DST, y, INNER(diff_dst), false, total);
      if (status == dnnl_success) status = make_argument(&a[1], DNNL_ARG_WEIGHTS, weight, INNER(weights), false, total);
      if (status == dnnl_success) status = make_argument(&a[2], DNNL_ARG_DIFF_SRC, x, INNER(diff_src), true, total);
      break;
    case lockstep_convolution_weight_gradient:
      c->count = 3;
      status = make_argument(&a[0], DNNL_ARG_SRC, x, INNER(src), false, total);
      if (status == dnnl_success) status = make_argument(&a[1], DNNL_ARG_DIFF_DST, y, INNER(diff_dst), false, total);
      if (status == dnnl_success)
        status = make_argument(&a[2], DNNL_ARG_DIFF_WEIGHTS, weight, INNER(diff_weights), true, total);
      break;
  }
#undef INNER
  return status;
}

lockstep_primitive *lockstep_convolution_create(
  lockstep_convolution_kind kind, const lockstep_convolution *form, int *status) {
  *status = dnnl_out_of_memory;
  convolution *c = calloc(1, sizeof *c);
  if (c == NULL) return NULL;
  c->base.destroy = destroy;
  layouts l = {0};
  dnnl_primitive_desc_t description = NULL;
  dnnl_status_t result =
    shared_engine() == NULL ? dnnl_runtime_error
                            : dnnl_stream_create(&c->stream, shared_engine(), dnnl_stream_default_flags);
  if (result == dnnl_success) result = make_layouts(&l, form);
  if (result == dnnl_success) result = describe(&description, kind, form, &l);
  if (result == dnnl_success) {
    strncpy(c->kernel, kernel_name(description), sizeof c->kernel - 1);
    result = make_arguments(c, kind, form, &l, description);
    if (result == dnnl_success)
      result = make_step(&c->main, description, &c->scratch);
    else
      dnnl_primitive_desc_destroy(description);
  }
  release_layouts(&l);
  *status = result;
  if (result == dnnl_success) return &c->base;
  destroy(&c->base);
  return NULL;
}

int lockstep_convolution_run(
  lockstep_primitive *primitive, const float *first, const float *second, const float *bias, float *result) {
  convolution *c = (convolution *)primitive;
  const void *given[4] = {first, second, bias, NULL};
  const int last = c->count - 1;
  given[last] = result;
  char *scratch = thread_scratch(c->scratch);
  if (scratch == NULL) return dnnl_out_of_memory;
  dnnl_exec_arg_t used[4];
  for (int i = 0; i < c->count; i++) {
    argument *a = &c->arguments[i];
    dnnl_status_t status = dnnl_memory_set_data_handle(a->given, (void *)given[i]);
    if (status == dnnl_success) status = lend_argument(a, scratch);
    if (status == dnnl_success && i != last && a->inner.memory != NULL)
      status = run_reorder(&a->reorder, c->stream, a->given, a->inner.memory);
    if (status != dnnl_success) return status;
    used[i] = (dnnl_exec_arg_t){a->role, used_memory(a)};
  }
  dnnl_status_t status = lend(&c->main.scratchpad, scratch);
  if (status == dnnl_success) status = run_step(&c->main, c->stream, c->count, used);
  const argument *y = &c->arguments[last];
  if (status == dnnl_success && y->inner.memory != NULL)
    status = run_reorder(&y->reorder, c->stream, y->inner.memory, y->given);
  return status == dnnl_success ? dnnl_stream_wait(c->stream) : status;
}

const char *lockstep_convolution_kernel(const lockstep_primitive *primitive) {
  return ((const convolution *)primitive)->kernel;
}
