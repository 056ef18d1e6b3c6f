// One of oneDNN's primitives, with the memory that it works in and that it is handed.
#pragma once
#include "versions.h"
#include <stdbool.h>

// One primitive and its scratchpad. The scratchpad is its own: the library's shared one belongs to the thread that
// made the primitive, which need not be the one that runs it.
typedef struct {
  dnnl_primitive_t primitive;
  dnnl_memory_t scratchpad;
} step;

// An operand or the result of a primitive.
typedef struct {
  // oneDNN's number for it.
  int role;
  // What the caller hands in, at an address that may change from run to run.
  dnnl_memory_t given;
  // The same in the layout that the primitive wants; null where that is the given one.
  dnnl_memory_t inner;
  // From given to inner for an operand, from inner to given for a result.
  step reorder;
} argument;

// The processor, as oneDNN sees it: one for the process. Null where the library cannot work.
dnnl_engine_t shared_engine(void);

// Attributes under which primitives leave their scratchpad to us. Null without memory.
dnnl_primitive_attr_t make_attributes(void);

// Takes over the description, whatever happens.
dnnl_status_t make_step(step *result, dnnl_primitive_desc_t description);
void release_step(step *s);
dnnl_status_t run_step(const step *s, dnnl_stream_t stream, int count, const dnnl_exec_arg_t *arguments);

dnnl_status_t make_reorder(step *result, layout_view from, layout_view to);
dnnl_status_t run_reorder(const step *s, dnnl_stream_t stream, dnnl_memory_t from, dnnl_memory_t to);

// An argument that is given in one layout and used in another, perhaps the same.
dnnl_status_t make_argument(argument *result, int role, layout_view given, layout_view inner, bool is_result);
void release_argument(argument *a);
// The memory that the primitive itself works on.
static inline dnnl_memory_t used_memory(const argument *a) { return a->inner != NULL ? a->inner : a->given; }

// The layout of images whose channels lie in blocks of 8 or 16, or plain for 0.
dnnl_format_tag_t image_tag(int64_t block);
