#include "attention_entry.h"
#include "attention_softmax.h"

size_t lockstep_attention_scratch(lockstep_attention_form form) {
  extents e = extents_of(form);
  return 2 * e.matrix + PANEL * (e.score_step + 2 * e.width);
}

// Where a head's queries begin; its keys and values follow, `embedding` and twice that behind.
INLINE const float *head_of(lockstep_attention_form form, const float *qkv, size_t item) {
  size_t embedding = form.heads * form.width;
  return qkv + item / form.heads * form.time * 3 * embedding + item % form.heads * form.width;
}

INLINE void attention(
  int is_wide, lockstep_attention_form form, const float *qkv, const float *mask, float *y, float *scratch) {
  extents e = extents_of(form);
  size_t embedding = form.heads * form.width, step = 3 * embedding;
  float *keys = scratch, *v = keys + e.matrix, *s = v + e.matrix, *q = s + PANEL * e.score_step;
  float *o = q + PANEL * e.width;
  for (size_t item = 0; item < form.batch * form.heads; item++) {
    const float *x = head_of(form, qkv, item);
    const float *allowed = mask ? mask + item / form.heads * form.time : NULL;
    float *result = y + item / form.heads * form.time * embedding + item % form.heads * form.width;
    transpose_rows(form, e, x + embedding, step, keys);
    pack_rows(form.time, e.time, form.width, x + 2 * embedding, step, 1.0f, v, e.width);
    for (size_t i = 0; i < form.time; i += PANEL) {
      size_t rows = smaller(PANEL, form.time - i);
      size_t limit = form.is_causal ? i + rows : form.time, padded = rounded_up(limit, LANES);
      pack_rows(rows, PANEL, form.width, x + i * step, step, form.scale * LOG2_E, q, e.width);
      product(is_wide, padded, form.width, q, e.width, 1, keys, STRIP, STRIP * e.width, s, e.score_step, 0);
      panel_scores which = {form.is_causal ? i + 1 : form.time, form.time, allowed};
      numbers inverse = exponentials_of_scores(which, s, e.score_step, padded);
      product(is_wide, e.width, limit, s, e.score_step, 1, v, e.width, STRIP, o, e.width, 0);
      for (size_t r = 0; r < rows; r++)
        copy_row(form.width, form.width, o + r * e.width, inverse[r], result + (i + r) * embedding);
    }
  }
}

ENTRY_POINT(
  attention, (lockstep_attention_form form, const float *qkv, const float *mask, float *y, float *scratch), qkv, mask,
  y, scratch)
