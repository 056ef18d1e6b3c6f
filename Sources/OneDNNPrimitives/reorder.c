#include "onednn_primitives.h"

#include <stdlib.h>

#include "step.h"

typedef struct {
  lockstep_primitive base;
  dnnl_stream_t stream;
  step main;
  dnnl_memory_t from, to;
  // In bytes.
  size_t scratch;
} reorder;

static void destroy(lockstep_primitive *primitive) {
  reorder *r = (reorder *)primitive;
  release_step(&r->main);
  if (r->from != NULL) dnnl_memory_destroy(r->from);
  if (r->to != NULL) dnnl_memory_destroy(r->to);
  if (r->stream != NULL) dnnl_stream_destroy(r->stream);
  free(r);
}

lockstep_primitive *lockstep_reorder_create(
  int64_t batch, int64_t channels, int64_t height, int64_t width, int64_t from_block, int64_t to_block, int *status) {
  *status = dnnl_out_of_memory;
  reorder *r = calloc(1, sizeof *r);
  if (r == NULL) return NULL;
  r->base.destroy = destroy;
  const dnnl_dims_t extents = {batch, channels, height, width};
  layout from = {0}, to = {0};
  dnnl_engine_t engine = shared_engine();
  dnnl_status_t result =
    engine == NULL ? dnnl_runtime_error : dnnl_stream_create(&r->stream, engine, dnnl_stream_default_flags);
  if (result == dnnl_success) result = make_layout(&from, 4, extents, image_tag(from_block));
  if (result == dnnl_success) result = make_layout(&to, 4, extents, image_tag(to_block));
  if (result == dnnl_success) result = dnnl_memory_create(&r->from, view(&from), engine, DNNL_MEMORY_NONE);
  if (result == dnnl_success) result = dnnl_memory_create(&r->to, view(&to), engine, DNNL_MEMORY_NONE);
  if (result == dnnl_success) result = make_reorder(&r->main, view(&from), view(&to), &r->scratch);
  release_layout(&from);
  release_layout(&to);
  *status = result;
  if (result == dnnl_success) return &r->base;
  destroy(&r->base);
  return NULL;
}

int lockstep_reorder_run(lockstep_primitive *primitive, const float *x, float *y) {
  reorder *r = (reorder *)primitive;
  dnnl_status_t status = dnnl_memory_set_data_handle(r->from, (void *)x);
  if (status == dnnl_success) status = dnnl_memory_set_data_handle(r->to, y);
  char *scratch = thread_scratch(r->scratch);
  if (scratch == NULL) return dnnl_out_of_memory;
  if (status == dnnl_success) status = lend(&r->main.scratchpad, scratch);
  if (status == dnnl_success) status = run_reorder(&r->main, r->stream, r->from, r->to);
  return status == dnnl_success ? dnnl_stream_wait(r->stream) : status;
}

int lockstep_channel_block(void) {
#if defined(__x86_64__)
  const int isa = (int)dnnl_get_effective_cpu_isa();
  if ((isa & 0x20) != 0) return 16;  // the bit that only AVX-512 for servers has, in versions 2 and 3
  if ((isa & dnnl_cpu_isa_avx2) == dnnl_cpu_isa_avx2) return 8;
#endif
  return 0;
}
