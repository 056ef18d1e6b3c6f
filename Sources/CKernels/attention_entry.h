// The entry points of attention's loops, for each instruction set that has fused multiply-adds in vectors; without it
// they are right, but slow. (Not vector.h's clones: the loops are told whether AVX-512's registers are there.)
#pragma once
#include "matrix_product.h"

#if defined(__x86_64__) && defined(__linux__)
#define V4 __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define V3 __attribute__((target("arch=x86-64-v3")))

// Defines lockstep_NAME, which runs NAME(is_wide, form, …) as the machine can. Loops over the usual widths of a head,
// which the compiler is told, are unrolled.
#define ENTRY_POINT(name, parameters, ...)                                        \
  V4 static void name##_v4 parameters {                                           \
    if (form.width == 32) {                                                       \
      form.width = 32;                                                            \
      name(1, form, __VA_ARGS__);                                                 \
    } else if (form.width == 64) {                                                \
      form.width = 64;                                                            \
      name(1, form, __VA_ARGS__);                                                 \
    } else {                                                                      \
      name(1, form, __VA_ARGS__);                                                 \
    }                                                                             \
  }                                                                               \
  V3 static void name##_v3 parameters { name(0, form, __VA_ARGS__); }             \
  void lockstep_##name parameters {                                               \
    if (lockstep_has_wide_products()) return name##_v4(form, __VA_ARGS__);         \
    if (__builtin_cpu_supports("x86-64-v3")) return name##_v3(form, __VA_ARGS__); \
    name(0, form, __VA_ARGS__);                                                   \
  }
#else
#define ENTRY_POINT(name, parameters, ...) \
  void lockstep_##name parameters { name(0, form, __VA_ARGS__); }
#endif
