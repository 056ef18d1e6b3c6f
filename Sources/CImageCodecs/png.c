#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image_codecs.h"

typedef struct {
  const uint8_t *bytes;
  size_t count;
  size_t offset;
} source;

static void on_error(png_structp png, png_const_charp text) {
  lockstep_image_error *error = png_get_error_ptr(png);
  snprintf(error->text, sizeof error->text, "%s", text);
  png_longjmp(png, 1);
}

// Warnings are about chunks that do not change the pixels.
static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void on_read(png_structp png, png_bytep memory, size_t count) {
  source *from = png_get_io_ptr(png);
  if (count > from->count - from->offset) png_error(png, "the file ends before the image does");
  memcpy(memory, from->bytes + from->offset, count);
  from->offset += count;
}

bool lockstep_is_png(const uint8_t *bytes, size_t count) { return count >= 8 && png_sig_cmp(bytes, 0, 8) == 0; }

// One function reads the header and, where pixels are asked for, the rest: setjmp's frame must be alive as
// long as the library may jump to it.
static bool read_png(
  const uint8_t *bytes, size_t count, lockstep_image *image, uint8_t *pixels, lockstep_image_error *error) {
  source from = {bytes, count, 0};
  png_bytep *volatile rows = NULL;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, error, on_error, on_warning);
  png_infop info = png != NULL ? png_create_info_struct(png) : NULL;
  if (info == NULL) {
    png_destroy_read_struct(&png, NULL, NULL);
    snprintf(error->text, sizeof error->text, "no memory is left");
    return false;
  }
  if (setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    free((void *)rows);
    return false;
  }
  png_set_read_fn(png, &from, on_read);
  // The caller caps sizes, with a message that names the file.
  png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
  png_set_chunk_malloc_max(png, 8 << 20);
  // Texts, profiles and the like change no pixel here, and a small file can make gigabytes of them.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_read_info(png, info);
  uint32_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
  uint32_t channels = png_get_color_type(png, info) & PNG_COLOR_MASK_COLOR ? 3 : 1;
  if (pixels == NULL) {
    *image = (lockstep_image){width, height, channels};
  } else {
    if (width != image->width || height != image->height || channels != image->channels)
      png_error(png, "the header has changed");
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_strip_alpha(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    size_t row_bytes = (size_t)width * channels;
    if (png_get_rowbytes(png, info) != row_bytes) png_error(png, "rows of an unexpected size");
    rows = malloc(height * sizeof *rows);
    if (rows == NULL) png_error(png, "no memory is left");
    for (uint32_t y = 0; y < height; y++) rows[y] = pixels + y * row_bytes;
    png_read_image(png, rows);
    png_read_end(png, NULL);
  }
  png_destroy_read_struct(&png, &info, NULL);
  free((void *)rows);
  return true;
}

bool lockstep_png_header(const uint8_t *bytes, size_t count, lockstep_image *image, lockstep_image_error *error) {
  return read_png(bytes, count, image, NULL, error);
}

bool lockstep_png_decode(
  const uint8_t *bytes, size_t count, const lockstep_image *image, uint8_t *pixels, lockstep_image_error *error) {
  lockstep_image copy = *image;
  return read_png(bytes, count, &copy, pixels, error);
}
