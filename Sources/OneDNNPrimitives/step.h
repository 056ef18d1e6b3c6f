// One of oneDNN's primitives, with the memory that it works in and that it is handed.
#pragma once
#include "versions.h"
#include <stdbool.h>

// Memory that is needed only while an object runs: its address is set at each run, to a part of the running thread's
// scratch. oneDNN's own shared scratchpad would belong to the thread that made the object, which need not be the one
// that runs it; and a piece for each object would be many times what one of them needs.
typedef struct {
  // Null where nothing is needed.
  dnnl_memory_t memory;
  // In bytes, from the beginning of the scratch.
  size_t offset;
} borrowed;

// Reserves room behind `*total` bytes. An empty layout reserves none.
dnnl_status_t reserve(borrowed *result, layout_view layout, size_t *total);
void release_borrowed(borrowed *b);
// The running thread's scratch, at least so many bytes; null without memory. It grows when something needs more, and
// goes with the thread.
char *thread_scratch(size_t size);
dnnl_status_t lend(const borrowed *b, char *scratch);

typedef struct {
  dnnl_primitive_t primitive;
  borrowed scratchpad;
} step;

// An operand or the result of a primitive.
typedef struct {
  // oneDNN's number for it.
  int role;
  // What the caller hands in, at an address that may change from run to run.
  dnnl_memory_t given;
  // The same in the layout that the primitive wants; null where that is the given one.
  borrowed inner;
  // From given to inner for an operand, from inner to given for a result.
  step reorder;
} argument;

// The processor, as oneDNN sees it: one for the process. Null where the library cannot work.
dnnl_engine_t shared_engine(void);

// Attributes under which primitives leave their scratchpad to us. Null without memory.
dnnl_primitive_attr_t make_attributes(void);

// Takes over the description, whatever happens. Here and below, `total` counts the bytes of scratch.
dnnl_status_t make_step(step *result, dnnl_primitive_desc_t description, size_t *total);
void release_step(step *s);
dnnl_status_t run_step(const step *s, dnnl_stream_t stream, int count, const dnnl_exec_arg_t *arguments);

dnnl_status_t make_reorder(step *result, layout_view from, layout_view to, size_t *total);
dnnl_status_t run_reorder(const step *s, dnnl_stream_t stream, dnnl_memory_t from, dnnl_memory_t to);

// An argument that is given in one layout and used in another, perhaps the same.
dnnl_status_t make_argument(
  argument *result, int role, layout_view given, layout_view inner, bool is_result, size_t *total);
void release_argument(argument *a);
dnnl_status_t lend_argument(const argument *a, char *scratch);
// The memory that the primitive itself works on.
static inline dnnl_memory_t used_memory(const argument *a) {
  return a->inner.memory != NULL ? a->inner.memory : a->given;
}

// The layout of images whose channels lie in blocks of 8 or 16, or plain for 0.
dnnl_format_tag_t image_tag(int64_t block);
