// What a plan keeps for a kernel between runs: an object that knows how to go.
#pragma once

typedef struct lockstep_primitive {
  void (*destroy)(struct lockstep_primitive *);
} lockstep_primitive;
