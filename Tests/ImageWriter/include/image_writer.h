#pragma once

// Writes the image files that tests read back.

#include <stddef.h>
#include <stdint.h>

// pixels[height * width * channels], channel fastest; channels 1 grey, 3 colour, 4 CMYK as Adobe stores it.
// Returns memory to be freed, of *count bytes.
uint8_t *image_writer_jpeg(
  const uint8_t *pixels, uint32_t width, uint32_t height, int channels, int quality, size_t *count);

typedef enum {
  image_writer_grey = 0,
  image_writer_color = 2,
  image_writer_palette = 3,  // index i stands for the colour (i, 255 - i, 7)
  image_writer_grey_alpha = 4,
  image_writer_color_alpha = 6,
} image_writer_kind;

// Rows as PNG has them: `depth` bits a sample, 16 bits big-endian. Returns memory to be freed, of *count bytes.
uint8_t *image_writer_png(
  const uint8_t *rows, uint32_t width, uint32_t height, image_writer_kind kind, int depth, int interlaced,
  size_t *count);
