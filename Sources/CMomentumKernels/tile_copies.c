// Brings tiles from a matrix and back, and multiplies them, compiled once for each width of vectors as in element_loops.c.
#include <string.h>

#include "element_vectors.h"
#include "tile_products.h"

// Rows of whole tiles have a length that the compiler knows.
#define COPY(target, scalar, name)                                                              \
  target static void copy_##scalar##_##name(                                                    \
      const scalar *x, ptrdiff_t x_row, scalar *y, ptrdiff_t y_row, ptrdiff_t m, ptrdiff_t n) { \
    enum { whole = MOMENTUM_TILE_SIDE };                                                        \
    for (ptrdiff_t i = 0; i < m; i++) {                                                         \
      const scalar *from = x + i * x_row;                                                       \
      scalar *to = y + i * y_row;                                                               \
      if (n == whole) {                                                                         \
        ELEMENTWISE for (ptrdiff_t j = 0; j < whole; j++) { to[j] = from[j]; }                  \
      } else {                                                                                  \
        memcpy(to, from, (size_t)n * sizeof *to);                                               \
      }                                                                                         \
    }                                                                                           \
  }

#define MULTIPLY(target, scalar, name)                                                                         \
  target static void multiply_##scalar##_##name(                                                            \
      const scalar *x, scalar a, scalar b, scalar c, scalar *y, ptrdiff_t n) {                                \
    ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) { y[i] = x[i] * a * b * c; }                                 \
  }

#define LOOPS(target, name)                                     \
  COPY(target, float, name) COPY(target, double, name)          \
  MULTIPLY(target, float, name) MULTIPLY(target, double, name)

LOOPS(, baseline)

#if defined(__x86_64__)
LOOPS(__attribute__((target("avx2"))), avx2)
#endif

void momentum_copy_tile_float(const float *x, ptrdiff_t x_row, float *y, ptrdiff_t y_row, ptrdiff_t m, ptrdiff_t n) {
  WIDEST(copy_float, x, x_row, y, y_row, m, n);
}

void momentum_copy_tile_double(const double *x, ptrdiff_t x_row, double *y, ptrdiff_t y_row, ptrdiff_t m, ptrdiff_t n) {
  WIDEST(copy_double, x, x_row, y, y_row, m, n);
}

void momentum_multiply_thrice_float(const float *x, float a, float b, float c, float *y, ptrdiff_t n) {
  WIDEST(multiply_float, x, a, b, c, y, n);
}

void momentum_multiply_thrice_double(const double *x, double a, double b, double c, double *y, ptrdiff_t n) {
  WIDEST(multiply_double, x, a, b, c, y, n);
}
