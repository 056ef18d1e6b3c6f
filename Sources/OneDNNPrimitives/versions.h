// Where oneDNN 2 and 3 differ: descriptions of memory are structures in the one and handles in the other, and
// primitives are described in two steps or in one.
#pragma once
#include <oneapi/dnnl/dnnl.h>
#include <stddef.h>

#define ONEDNN_HAS_HANDLES (DNNL_VERSION_MAJOR >= 3)

#if ONEDNN_HAS_HANDLES
typedef const_dnnl_memory_desc_t layout_view;
#else
typedef const dnnl_memory_desc_t *layout_view;
#endif

// A description of memory that somebody must release.
typedef dnnl_memory_desc_t layout;

static inline layout_view view(const layout *memory) {
#if ONEDNN_HAS_HANDLES
  return *memory;
#else
  return memory;
#endif
}

static inline dnnl_status_t make_layout(layout *result, int axes, const dnnl_dims_t extents, dnnl_format_tag_t tag) {
#if ONEDNN_HAS_HANDLES
  return dnnl_memory_desc_create_with_tag(result, axes, extents, dnnl_f32, tag);
#else
  return dnnl_memory_desc_init_by_tag(result, axes, extents, dnnl_f32, tag);
#endif
}

static inline void release_layout(layout *memory) {
#if ONEDNN_HAS_HANDLES
  if (*memory != NULL) dnnl_memory_desc_destroy(*memory);
  *memory = NULL;
#else
  (void)memory;
#endif
}

static inline dnnl_status_t append_relu(dnnl_post_ops_t operations) {
#if ONEDNN_HAS_HANDLES
  return dnnl_post_ops_append_eltwise(operations, dnnl_eltwise_relu, 0, 0);
#else
  return dnnl_post_ops_append_eltwise(operations, 1, dnnl_eltwise_relu, 0, 0);
#endif
}

// What a convolution of any direction is described by; x, weight and y may stand for their gradients.
typedef struct {
  dnnl_alg_kind_t algorithm;
  layout_view x, weight, bias, y;
  dnnl_dims_t stride, dilation, padding;
} convolution_description;

static inline dnnl_status_t describe_forward(
  dnnl_primitive_desc_t *result, dnnl_engine_t engine, const convolution_description *c,
  const_dnnl_primitive_attr_t attributes) {
#if ONEDNN_HAS_HANDLES
  return dnnl_convolution_forward_primitive_desc_create(
    result, engine, dnnl_forward_training, c->algorithm, c->x, c->weight, c->bias, c->y, c->stride, c->dilation,
    c->padding, c->padding, attributes);
#else
  dnnl_convolution_desc_t operation;
  dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
    &operation, dnnl_forward_training, c->algorithm, c->x, c->weight, c->bias, c->y, c->stride, c->dilation, c->padding,
    c->padding);
  if (status != dnnl_success) return status;
  return dnnl_primitive_desc_create(result, &operation, attributes, engine, NULL);
#endif
}

static inline dnnl_status_t describe_input_gradient(
  dnnl_primitive_desc_t *result, dnnl_engine_t engine, const convolution_description *c,
  const_dnnl_primitive_desc_t forward, const_dnnl_primitive_attr_t attributes) {
#if ONEDNN_HAS_HANDLES
  return dnnl_convolution_backward_data_primitive_desc_create(
    result, engine, c->algorithm, c->x, c->weight, c->y, c->stride, c->dilation, c->padding, c->padding, forward,
    attributes);
#else
  dnnl_convolution_desc_t operation;
  dnnl_status_t status = dnnl_dilated_convolution_backward_data_desc_init(
    &operation, c->algorithm, c->x, c->weight, c->y, c->stride, c->dilation, c->padding, c->padding);
  if (status != dnnl_success) return status;
  return dnnl_primitive_desc_create(result, &operation, attributes, engine, forward);
#endif
}

static inline dnnl_status_t describe_weight_gradient(
  dnnl_primitive_desc_t *result, dnnl_engine_t engine, const convolution_description *c,
  const_dnnl_primitive_desc_t forward, const_dnnl_primitive_attr_t attributes) {
#if ONEDNN_HAS_HANDLES
  return dnnl_convolution_backward_weights_primitive_desc_create(
    result, engine, c->algorithm, c->x, c->weight, NULL, c->y, c->stride, c->dilation, c->padding, c->padding, forward,
    attributes);
#else
  dnnl_convolution_desc_t operation;
  dnnl_status_t status = dnnl_dilated_convolution_backward_weights_desc_init(
    &operation, c->algorithm, c->x, c->weight, NULL, c->y, c->stride, c->dilation, c->padding, c->padding);
  if (status != dnnl_success) return status;
  return dnnl_primitive_desc_create(result, &operation, attributes, engine, forward);
#endif
}
