#include "attention_entry.h"
#include "attention_softmax.h"

// The rows whose probabilities are kept at once.
#define BLOCK 64

// One head: packed operands, and what is summed over the rows.
typedef struct {
  float *q, *k, *keys, *values, *g, *dk, *dv, *p, *ds, *dq;
} head_memory;

INLINE head_memory divided(float *scratch, extents e, size_t block) {
  head_memory m;
  m.q = scratch, m.k = m.q + e.matrix, m.keys = m.k + e.matrix, m.values = m.keys + e.matrix;
  m.g = m.values + e.matrix, m.dk = m.g + e.matrix, m.dv = m.dk + e.matrix, m.p = m.dv + e.matrix;
  m.ds = m.p + block * e.score_step, m.dq = m.ds + block * e.score_step;
  return m;
}

size_t lockstep_attention_gradient_scratch(lockstep_attention_form form) {
  extents e = extents_of(form);
  return 7 * e.matrix + 2 * smaller(BLOCK, e.time) * e.score_step + PANEL * e.width;
}

// Where a head of a sample begins in a tensor of so many values a step.
INLINE size_t head_offset(lockstep_attention_form form, size_t item, size_t step) {
  return item / form.heads * form.time * step + item % form.heads * form.width;
}

INLINE void pack_head(
  lockstep_attention_form form, extents e, head_memory m, const float *x, size_t step, const float *g,
  size_t embedding) {
  pack_rows(form.time, e.time, form.width, x, step, form.scale * LOG2_E, m.q, e.width);
  pack_rows(form.time, e.time, form.width, x + embedding, step, 1.0f, m.k, e.width);
  transpose_rows(form, e, x + embedding, step, m.keys);
  transpose_rows(form, e, x + 2 * embedding, step, m.values);
  pack_rows(form.time, e.time, form.width, g, embedding, 1.0f, m.g, e.width);
}

INLINE void attention_gradient(
  int is_wide, lockstep_attention_form form, const float *qkv, const float *mask, const float *dy, float *dqkv,
  float *scratch) {
  extents e = extents_of(form);
  size_t embedding = form.heads * form.width, step = 3 * embedding;
  head_memory m = divided(scratch, e, smaller(BLOCK, e.time));
  for (size_t item = 0; item < form.batch * form.heads; item++) {
    float *dx = dqkv + head_offset(form, item, step);
    const float *allowed = mask ? mask + item / form.heads * form.time : NULL;
    pack_head(
      form, e, m, qkv + head_offset(form, item, step), step, dy + head_offset(form, item, embedding), embedding);
    for (size_t start = 0; start < form.time; start += BLOCK) {
      size_t block = smaller(BLOCK, form.time - start);
      for (size_t offset = 0; offset < block; offset += PANEL) {
        size_t i = start + offset, rows = smaller(PANEL, form.time - i);
        size_t limit = form.is_causal ? i + rows : form.time, padded = rounded_up(limit, LANES);
        float *p = m.p + offset * e.score_step, *ds = m.ds + offset * e.score_step;
        product(
          is_wide, padded, form.width, m.q + i * e.width, e.width, 1, m.keys, STRIP, STRIP * e.width, p, e.score_step,
          0);
        product(
          is_wide, padded, form.width, m.g + i * e.width, e.width, 1, m.values, STRIP, STRIP * e.width, ds,
          e.score_step, 0);
        panel_scores which = {form.is_causal ? i + 1 : form.time, form.time, allowed};
        softmax_backward(which, p, ds, e.score_step, padded);
        product(is_wide, e.width, limit, ds, e.score_step, 1, m.k, e.width, STRIP, m.dq, e.width, 0);
        unpack_rows(rows, form.width, m.dq, e.width, form.scale, dx + i * step, step);
      }
      // A key's gradients: sums over the block's rows that attend to it.
      size_t end = form.is_causal ? start + block : form.time;
      for (size_t j = 0; j < end; j += PANEL) {
        size_t skipped = form.is_causal && j > start ? j - start : 0, row = start + skipped;
        const float *p = m.p + skipped * e.score_step + j, *ds = m.ds + skipped * e.score_step + j;
        // A key's sums begin with the first block whose rows attend to it.
        int adds = form.is_causal ? j < start : start > 0;
        product(
          is_wide, e.width, block - skipped, p, 1, e.score_step, m.g + row * e.width, e.width, STRIP,
          m.dv + j * e.width, e.width, adds);
        product(
          is_wide, e.width, block - skipped, ds, 1, e.score_step, m.q + row * e.width, e.width, STRIP,
          m.dk + j * e.width, e.width, adds);
      }
    }
    // q is scaled already, and by log₂ e too much.
    unpack_rows(form.time, form.width, m.dk, e.width, LN_2, dx + embedding, step);
    unpack_rows(form.time, form.width, m.dv, e.width, 1.0f, dx + 2 * embedding, step);
  }
}

ENTRY_POINT(
  attention_gradient,
  (lockstep_attention_form form, const float *qkv, const float *mask, const float *dy, float *dqkv, float *scratch),
  qkv, mask, dy, dqkv, scratch)
