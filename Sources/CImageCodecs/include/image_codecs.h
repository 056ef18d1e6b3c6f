#pragma once

// Reads PNG and JPEG images from memory. libpng and libjpeg report errors by longjmp, which must not pass
// through Swift: here it is caught, and every function returns whether it succeeded.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint32_t width;
  uint32_t height;
  uint32_t channels;  // 1: grey, 3: red, green, blue
} lockstep_image;

// What went wrong, as the library says it.
typedef struct {
  char text[256];
} lockstep_image_error;

bool lockstep_is_png(const uint8_t *bytes, size_t count);
bool lockstep_is_jpeg(const uint8_t *bytes, size_t count);

// Reads the size of an image. The sides are at most those that the format can say, and above zero.
bool lockstep_png_header(const uint8_t *bytes, size_t count, lockstep_image *image, lockstep_image_error *error);
bool lockstep_jpeg_header(const uint8_t *bytes, size_t count, lockstep_image *image, lockstep_image_error *error);

// Decodes to pixels[height * width * channels], channel fastest; `image` is what the header function gave.
// Palettes are looked up, 16 bits become 8, transparency is left out, CMYK becomes red, green, blue.
// Damaged or missing data is an error, never a grey area.
bool lockstep_png_decode(
  const uint8_t *bytes, size_t count, const lockstep_image *image, uint8_t *pixels, lockstep_image_error *error);
bool lockstep_jpeg_decode(
  const uint8_t *bytes, size_t count, const lockstep_image *image, uint8_t *pixels, lockstep_image_error *error);
