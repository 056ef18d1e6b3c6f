#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
// After jpeglib.h.
#include <jerror.h>

#include "image_codecs.h"

typedef struct {
  struct jpeg_error_mgr manager;  // first: libjpeg knows this part only
  jmp_buf escape;
  lockstep_image_error *error;
} trap;

static void on_error(j_common_ptr jpeg) {
  trap *trap_ = (trap *)jpeg->err;
  char text[JMSG_LENGTH_MAX];
  jpeg->err->format_message(jpeg, text);
  snprintf(trap_->error->text, sizeof trap_->error->text, "%s", text);
  longjmp(trap_->escape, 1);
}

// libjpeg only warns of damaged data, and paints what is missing grey. Warnings after which all pixels are
// there stay warnings.
static void on_message(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  switch (jpeg->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_ADOBE_XFORM:
    case JWRN_TOO_MUCH_DATA:
    case JWRN_JFIF_MAJOR: return;
    default: on_error(jpeg);
  }
}

// A picture has about ten scans; each of a million that a small file could have would pass over all pixels again.
#define MOST_SCANS 100

static void on_progress(j_common_ptr jpeg) {
  if (((j_decompress_ptr)jpeg)->input_scan_number <= MOST_SCANS) return;
  trap *trap_ = (trap *)jpeg->err;
  snprintf(trap_->error->text, sizeof trap_->error->text, "more than %d scans", MOST_SCANS);
  longjmp(trap_->escape, 1);
}

bool lockstep_is_jpeg(const uint8_t *bytes, size_t count) {
  return count >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}

static bool is_cmyk(const struct jpeg_decompress_struct *jpeg) {
  return jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
}

// Adobe's programs store ink inverted.
static void ink_to_light(const uint8_t *inks, bool inverted, uint8_t *pixels, uint32_t width) {
  for (uint32_t x = 0; x < width; x++)
    for (int c = 0; c < 3; c++) {
      unsigned ink = inks[4 * x + c], black = inks[4 * x + 3];
      if (!inverted) ink = 255 - ink, black = 255 - black;
      pixels[3 * x + c] = (uint8_t)((ink * black + 127) / 255);
    }
}

static bool read_jpeg(
  const uint8_t *bytes, size_t count, lockstep_image *image, uint8_t *pixels, lockstep_image_error *error) {
  struct jpeg_decompress_struct jpeg;
  trap trap_;
  struct jpeg_progress_mgr progress = {.progress_monitor = on_progress};
  uint8_t *volatile inks = NULL;
  memset(&jpeg, 0, sizeof jpeg);
  jpeg.err = jpeg_std_error(&trap_.manager);
  trap_.manager.error_exit = on_error;
  trap_.manager.emit_message = on_message;
  trap_.error = error;
  if (setjmp(trap_.escape)) {
    jpeg_destroy_decompress(&jpeg);
    free(inks);
    return false;
  }
  jpeg_create_decompress(&jpeg);
  jpeg.progress = &progress;
  jpeg_mem_src(&jpeg, bytes, count);
  jpeg_read_header(&jpeg, TRUE);
  uint32_t width = jpeg.image_width, height = jpeg.image_height;
  uint32_t channels = jpeg.jpeg_color_space == JCS_GRAYSCALE ? 1 : 3;
  if (pixels == NULL) {
    *image = (lockstep_image){width, height, channels};
  } else {
    if (width != image->width || height != image->height || channels != image->channels)
      ERREXIT(&jpeg, JERR_EMPTY_IMAGE);
    jpeg.out_color_space = channels == 1 ? JCS_GRAYSCALE : is_cmyk(&jpeg) ? JCS_CMYK : JCS_RGB;
    // The exact transform: the same bytes with and without vector instructions.
    jpeg.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&jpeg);
    if (is_cmyk(&jpeg)) {
      inks = malloc((size_t)width * 4);
      if (inks == NULL) ERREXIT1(&jpeg, JERR_OUT_OF_MEMORY, 0);
    }
    while (jpeg.output_scanline < height) {
      uint8_t *pixel_row = pixels + (size_t)jpeg.output_scanline * width * channels;
      JSAMPROW row = inks != NULL ? inks : pixel_row;
      jpeg_read_scanlines(&jpeg, &row, 1);
      if (inks != NULL) ink_to_light(inks, jpeg.saw_Adobe_marker, pixel_row, width);
    }
    jpeg_finish_decompress(&jpeg);
  }
  jpeg_destroy_decompress(&jpeg);
  free(inks);
  return true;
}

bool lockstep_jpeg_header(const uint8_t *bytes, size_t count, lockstep_image *image, lockstep_image_error *error) {
  return read_jpeg(bytes, count, image, NULL, error);
}

bool lockstep_jpeg_decode(
  const uint8_t *bytes, size_t count, const lockstep_image *image, uint8_t *pixels, lockstep_image_error *error) {
  lockstep_image copy = *image;
  return read_jpeg(bytes, count, &copy, pixels, error);
}
