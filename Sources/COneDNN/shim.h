// oneDNN's C interface for Swift, and the OpenMP runtime that it runs on.
#pragma once
#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>
#include <stddef.h>

// Sets the number of threads of whichever OpenMP runtime the process has loaded with oneDNN.
// Returns 0 where there is none.
static inline int lockstep_set_openmp_threads(int threads) {
  void (*set)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, "omp_set_num_threads");
  if (set == NULL) return 0;
  set(threads);
  return 1;
}

// How many threads the OpenMP runtime would give to the calling thread; 1 where there is none.
static inline int lockstep_openmp_threads(void) {
  static int (*threads)(void) = NULL;
  static int is_known = 0;
  if (!is_known) {
    threads = (int (*)(void))dlsym(RTLD_DEFAULT, "omp_get_max_threads");
    is_known = 1;
  }
  return threads == NULL ? 1 : threads();
}
