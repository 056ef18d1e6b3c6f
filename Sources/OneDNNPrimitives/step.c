#include "step.h"

#include <pthread.h>

static dnnl_engine_t engine;
static pthread_once_t engine_is_made = PTHREAD_ONCE_INIT;

static void make_engine(void) {
  if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success) engine = NULL;
}

dnnl_engine_t shared_engine(void) {
  pthread_once(&engine_is_made, make_engine);
  return engine;
}

dnnl_primitive_attr_t make_attributes(void) {
  dnnl_primitive_attr_t attributes = NULL;
  if (dnnl_primitive_attr_create(&attributes) != dnnl_success) return NULL;
  if (dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user) == dnnl_success) return attributes;
  dnnl_primitive_attr_destroy(attributes);
  return NULL;
}

dnnl_status_t make_step(step *result, dnnl_primitive_desc_t description) {
  layout_view scratchpad = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
  dnnl_status_t status = dnnl_primitive_create(&result->primitive, description);
  if (status == dnnl_success && scratchpad != NULL && dnnl_memory_desc_get_size(scratchpad) > 0)
    status = dnnl_memory_create(&result->scratchpad, scratchpad, shared_engine(), DNNL_MEMORY_ALLOCATE);
  dnnl_primitive_desc_destroy(description);
  return status;
}

void release_step(step *s) {
  if (s->primitive != NULL) dnnl_primitive_destroy(s->primitive);
  if (s->scratchpad != NULL) dnnl_memory_destroy(s->scratchpad);
  *s = (step){0};
}

dnnl_status_t run_step(const step *s, dnnl_stream_t stream, int count, const dnnl_exec_arg_t *arguments) {
  dnnl_exec_arg_t all[8];
  for (int i = 0; i < count; i++) all[i] = arguments[i];
  if (s->scratchpad != NULL) all[count++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, s->scratchpad};
  return dnnl_primitive_execute(s->primitive, stream, count, all);
}

dnnl_status_t make_reorder(step *result, layout_view from, layout_view to) {
  dnnl_primitive_attr_t attributes = make_attributes();
  if (attributes == NULL) return dnnl_out_of_memory;
  dnnl_primitive_desc_t description = NULL;
  dnnl_status_t status =
    dnnl_reorder_primitive_desc_create(&description, from, shared_engine(), to, shared_engine(), attributes);
  dnnl_primitive_attr_destroy(attributes);
  return status == dnnl_success ? make_step(result, description) : status;
}

dnnl_status_t run_reorder(const step *s, dnnl_stream_t stream, dnnl_memory_t from, dnnl_memory_t to) {
  const dnnl_exec_arg_t arguments[2] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
  return run_step(s, stream, 2, arguments);
}

dnnl_status_t make_argument(argument *result, int role, layout_view given, layout_view inner, bool is_result) {
  result->role = role;
  dnnl_status_t status = dnnl_memory_create(&result->given, given, shared_engine(), DNNL_MEMORY_NONE);
  if (status != dnnl_success || dnnl_memory_desc_equal(given, inner)) return status;
  status = dnnl_memory_create(&result->inner, inner, shared_engine(), DNNL_MEMORY_ALLOCATE);
  if (status != dnnl_success) return status;
  return make_reorder(&result->reorder, is_result ? inner : given, is_result ? given : inner);
}

void release_argument(argument *a) {
  release_step(&a->reorder);
  if (a->given != NULL) dnnl_memory_destroy(a->given);
  if (a->inner != NULL) dnnl_memory_destroy(a->inner);
  *a = (argument){0};
}

dnnl_format_tag_t image_tag(int64_t block) {
  switch (block) {
    case 16: return dnnl_nChw16c;
    case 8: return dnnl_nChw8c;
    default: return dnnl_nchw;
  }
}
