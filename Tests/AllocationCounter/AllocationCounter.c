#include "AllocationCounter.h"

#include <errno.h>
#include <stddef.h>

// glibc's own names for what malloc and its siblings do.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

// Initial-exec, because other models of thread-local storage may allocate on first use.
static __thread long count __attribute__((tls_model("initial-exec")));
static __thread int armed __attribute__((tls_model("initial-exec")));

void allocation_counter_arm(void) {
  count = 0;
  armed = 1;
}

long allocation_counter_disarm(void) {
  armed = 0;
  return count;
}

void *malloc(size_t size) {
  count += armed;
  return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
  count += armed;
  return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) {
  count += armed;
  return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
  count += armed;
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  count += armed;
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
  count += armed;
  void *memory = __libc_memalign(alignment, size);
  if (memory == NULL) return ENOMEM;
  *result = memory;
  return 0;
}
