#pragma once
#include <zlib.h>

// inflateInit2 is a macro, which Swift does not import. 15 is the largest window, 16 asks for gzip's
// header and trailer, whose checksum is then verified.
static inline int lockstep_inflate_init_gzip(z_stream *stream) {
  return inflateInit2(stream, 15 + 16);
}

// Asks for memory that will be read soon; it may be any address. A compiler's builtin, which Swift does not
// import either.
static inline void lockstep_prefetch(const void *address) { __builtin_prefetch(address); }
