#include "step.h"

#include <pthread.h>
#include <stdlib.h>

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

dnnl_status_t reserve(borrowed *result, layout_view layout, size_t *total) {
  const size_t size = layout == NULL ? 0 : dnnl_memory_desc_get_size(layout);
  if (size == 0) return dnnl_success;
  result->offset = *total;
  *total += (size + 63) / 64 * 64;
  return dnnl_memory_create(&result->memory, layout, shared_engine(), DNNL_MEMORY_NONE);
}

void release_borrowed(borrowed *b) {
  if (b->memory != NULL) dnnl_memory_destroy(b->memory);
  *b = (borrowed){0};
}

dnnl_status_t lend(const borrowed *b, char *scratch) {
  return b->memory == NULL ? dnnl_success : dnnl_memory_set_data_handle(b->memory, scratch + b->offset);
}

// What a thread keeps: freed when it ends.
typedef struct {
  size_t size;
  char *memory;
} scratch;

static pthread_key_t scratch_key;
static pthread_once_t scratch_key_is_made = PTHREAD_ONCE_INIT;
static int scratch_key_status;

static void free_scratch(void *value) {
  free(((scratch *)value)->memory);
  free(value);
}

static void make_scratch_key(void) { scratch_key_status = pthread_key_create(&scratch_key, free_scratch); }

char *thread_scratch(size_t size) {
  pthread_once(&scratch_key_is_made, make_scratch_key);
  if (scratch_key_status != 0) return NULL;
  scratch *mine = pthread_getspecific(scratch_key);
  if (mine == NULL) {
    mine = calloc(1, sizeof *mine);
    if (mine == NULL) return NULL;
    if (pthread_setspecific(scratch_key, mine) != 0) {
      free(mine);
      return NULL;
    }
  }
  if (mine->memory == NULL || mine->size < size) {
    free(mine->memory);
    mine->size = (size + 4095) / 4096 * 4096;
    mine->memory = aligned_alloc(4096, mine->size > 0 ? mine->size : 4096);
    if (mine->memory == NULL) mine->size = 0;
  }
  return mine->memory;
}

dnnl_status_t make_step(step *result, dnnl_primitive_desc_t description, size_t *total) {
  dnnl_status_t status = dnnl_primitive_create(&result->primitive, description);
  if (status == dnnl_success) {
    layout_view scratchpad = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
    status = reserve(&result->scratchpad, scratchpad, total);
  }
  dnnl_primitive_desc_destroy(description);
  return status;
}

void release_step(step *s) {
  if (s->primitive != NULL) dnnl_primitive_destroy(s->primitive);
  release_borrowed(&s->scratchpad);
  *s = (step){0};
}

dnnl_status_t run_step(const step *s, dnnl_stream_t stream, int count, const dnnl_exec_arg_t *arguments) {
  dnnl_exec_arg_t all[8];
  for (int i = 0; i < count; i++) all[i] = arguments[i];
  if (s->scratchpad.memory != NULL) all[count++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, s->scratchpad.memory};
  return dnnl_primitive_execute(s->primitive, stream, count, all);
}

dnnl_status_t make_reorder(step *result, layout_view from, layout_view to, size_t *total) {
  dnnl_primitive_attr_t attributes = make_attributes();
  if (attributes == NULL) return dnnl_out_of_memory;
  dnnl_primitive_desc_t description = NULL;
  dnnl_status_t status =
    dnnl_reorder_primitive_desc_create(&description, from, shared_engine(), to, shared_engine(), attributes);
  dnnl_primitive_attr_destroy(attributes);
  return status == dnnl_success ? make_step(result, description, total) : status;
}

dnnl_status_t run_reorder(const step *s, dnnl_stream_t stream, dnnl_memory_t from, dnnl_memory_t to) {
  const dnnl_exec_arg_t arguments[2] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
  return run_step(s, stream, 2, arguments);
}

dnnl_status_t make_argument(
  argument *result, int role, layout_view given, layout_view inner, bool is_result, size_t *total) {
  result->role = role;
  dnnl_status_t status = dnnl_memory_create(&result->given, given, shared_engine(), DNNL_MEMORY_NONE);
  if (status != dnnl_success || dnnl_memory_desc_equal(given, inner)) return status;
  status = reserve(&result->inner, inner, total);
  if (status != dnnl_success) return status;
  return make_reorder(&result->reorder, is_result ? inner : given, is_result ? given : inner, total);
}

void release_argument(argument *a) {
  release_step(&a->reorder);
  release_borrowed(&a->inner);
  if (a->given != NULL) dnnl_memory_destroy(a->given);
  *a = (argument){0};
}

dnnl_status_t lend_argument(const argument *a, char *scratch) {
  dnnl_status_t status = lend(&a->inner, scratch);
  return status == dnnl_success ? lend(&a->reorder.scratchpad, scratch) : status;
}

dnnl_format_tag_t image_tag(int64_t block) {
  switch (block) {
    case 16: return dnnl_nChw16c;
    case 8: return dnnl_nChw8c;
    default: return dnnl_nchw;
  }
}
