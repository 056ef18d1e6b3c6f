// Scaled dot-product attention of many heads, a head at a time: its scores exist only for some rows at once.
//
// The small products use explicit fused multiply-adds, one chain over the depth for each element, so their bits do not
// depend on the instruction set or on how the loops are tiled.
#pragma once
#include <stddef.h>

typedef struct {
  size_t batch, time, heads, width;  // width: of one head
  float scale;                       // of the scores
  int is_causal;                     // step i attends to steps 0...i only
} lockstep_attention_form;

// The number of floats of scratch that each of the two needs.
size_t lockstep_attention_scratch(lockstep_attention_form form);
size_t lockstep_attention_gradient_scratch(lockstep_attention_form form);

// qkv [batch, time, 3, heads, width], mask [batch, time] or null (0: nobody attends to this step), y [batch, time,
// heads, width]. A step that has nothing to attend to gives zeros.
void lockstep_attention(
  lockstep_attention_form form, const float *qkv, const float *mask, float *y, float *scratch);
void lockstep_attention_gradient(
  lockstep_attention_form form, const float *qkv, const float *mask, const float *dy, float *dqkv, float *scratch);
