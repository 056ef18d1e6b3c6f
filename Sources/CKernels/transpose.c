#include <string.h>

#include "vector.h"

void lockstep_transpose(
  const float *x, float *y, size_t outer, size_t first, size_t middle, size_t second, size_t inner) {
  const size_t plane = first * middle * second * inner;
  for (size_t o = 0; o < outer; o++, x += plane, y += plane)
    for (size_t b = 0; b < second; b++)
      for (size_t m = 0; m < middle; m++)
        for (size_t a = 0; a < first; a++) {
          const float *from = x + ((a * middle + m) * second + b) * inner;
          float *to = y + ((b * middle + m) * first + a) * inner;
          if (inner == 1)
            *to = *from;
          else
            memcpy(to, from, inner * sizeof(float));
        }
}
