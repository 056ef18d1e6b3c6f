#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

#include "image_writer.h"

uint8_t *image_writer_jpeg(
  const uint8_t *pixels, uint32_t width, uint32_t height, int channels, int quality, size_t *count) {
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr manager;
  unsigned char *bytes = NULL;
  unsigned long size = 0;
  jpeg.err = jpeg_std_error(&manager);
  jpeg_create_compress(&jpeg);
  jpeg_mem_dest(&jpeg, &bytes, &size);
  jpeg.image_width = width;
  jpeg.image_height = height;
  jpeg.input_components = channels;
  jpeg.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, quality, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < height) {
    JSAMPROW row = (JSAMPROW)(pixels + (size_t)jpeg.next_scanline * width * (size_t)channels);
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  *count = size;
  return bytes;
}

typedef struct {
  uint8_t *bytes;
  size_t count;
} buffer;

static void on_write(png_structp png, png_bytep bytes, size_t count) {
  buffer *to = png_get_io_ptr(png);
  to->bytes = realloc(to->bytes, to->count + count);
  memcpy(to->bytes + to->count, bytes, count);
  to->count += count;
}

static void on_flush(png_structp png) { (void)png; }

uint8_t *image_writer_png(
  const uint8_t *rows, uint32_t width, uint32_t height, image_writer_kind kind, int depth, int interlaced,
  size_t *count) {
  buffer to = {NULL, 0};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &to, on_write, on_flush);
  png_set_IHDR(
    png, info, width, height, depth, (int)kind, interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
    PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (kind == image_writer_palette) {
    png_color colors[256];
    for (int i = 0; i < 256; i++) colors[i] = (png_color){(uint8_t)i, (uint8_t)(255 - i), 7};
    png_set_PLTE(png, info, colors, 1 << depth);
  }
  png_write_info(png, info);
  size_t row_bytes = png_get_rowbytes(png, info);
  png_bytep *pointers = malloc(height * sizeof *pointers);
  for (uint32_t y = 0; y < height; y++) pointers[y] = (png_bytep)(rows + y * row_bytes);
  png_write_image(png, pointers);
  png_write_end(png, NULL);
  free(pointers);
  png_destroy_write_struct(&png, &info);
  *count = to.count;
  return to.bytes;
}
