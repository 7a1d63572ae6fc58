// Transposes tiles, in blocks that fit into registers.
#include "element_vectors.h"
#include "tile_products.h"

// Rows of a block, which the compiler makes of what vectors the processor has.
typedef float floats __attribute__((vector_size(32), aligned(4), may_alias));
typedef double doubles __attribute__((vector_size(32), aligned(8), may_alias));
#define MIX8(x, y, a, b, c, d, e, f, g, h) __builtin_shufflevector(x, y, a, b, c, d, e, f, g, h)
#define MIX4(x, y, a, b, c, d) __builtin_shufflevector(x, y, a, b, c, d)

#define TRANSPOSE(target, name)                                                                                         \
  target static inline void block_float_##name(const float *x, ptrdiff_t x_row, float *y, ptrdiff_t y_row) {           \
    floats r[8], s[8];                                                                                                  \
    for (int i = 0; i < 8; i++) r[i] = *(const floats *)(x + i * x_row);                                               \
    for (int i = 0; i < 8; i += 2) {                                                                                    \
      s[i] = MIX8(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);                                                           \
      s[i + 1] = MIX8(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);                                                     \
    }                                                                                                                   \
    for (int i = 0; i < 8; i += 4) {                                                                                    \
      for (int j = 0; j < 2; j++) {                                                                                     \
        r[i + 2 * j] = MIX8(s[i + j], s[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);                                         \
        r[i + 2 * j + 1] = MIX8(s[i + j], s[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);                                   \
      }                                                                                                                 \
    }                                                                                                                   \
    for (int i = 0; i < 4; i++) {                                                                                       \
      *(floats *)(y + i * y_row) = MIX8(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);                                     \
      *(floats *)(y + (i + 4) * y_row) = MIX8(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);                             \
    }                                                                                                                   \
  }                                                                                                                     \
  target static inline void block_double_##name(const double *x, ptrdiff_t x_row, double *y, ptrdiff_t y_row) {        \
    doubles r[4], s[4];                                                                                                 \
    for (int i = 0; i < 4; i++) r[i] = *(const doubles *)(x + i * x_row);                                              \
    for (int i = 0; i < 4; i += 2) {                                                                                    \
      s[i] = MIX4(r[i], r[i + 1], 0, 4, 2, 6);                                                                          \
      s[i + 1] = MIX4(r[i], r[i + 1], 1, 5, 3, 7);                                                                      \
    }                                                                                                                   \
    for (int i = 0; i < 2; i++) {                                                                                       \
      *(doubles *)(y + i * y_row) = MIX4(s[i], s[i + 2], 0, 1, 4, 5);                                                  \
      *(doubles *)(y + (i + 2) * y_row) = MIX4(s[i], s[i + 2], 2, 3, 6, 7);                                            \
    }                                                                                                                   \
  }                                                                                                                     \
  TRANSPOSE_OF(target, float, 8, name)                                                                                  \
  TRANSPOSE_OF(target, double, 4, name)

#define TRANSPOSE_OF(target, scalar, width, name)                                                                       \
  target static void transpose_##scalar##_##name(const scalar *x, ptrdiff_t m, ptrdiff_t n, scalar *y) {               \
    const ptrdiff_t rows = m - m % width, columns = n - n % width;                                                     \
    for (ptrdiff_t i = 0; i < rows; i += width) {                                                                       \
      for (ptrdiff_t j = 0; j < columns; j += width) block_##scalar##_##name(x + i * n + j, n, y + j * m + i, m);      \
    }                                                                                                                   \
    for (ptrdiff_t i = 0; i < m; i++) {                                                                                 \
      for (ptrdiff_t j = i < rows ? columns : 0; j < n; j++) y[j * m + i] = x[i * n + j];                              \
    }                                                                                                                   \
  }

TRANSPOSE(, baseline)

#if defined(__x86_64__)
TRANSPOSE(__attribute__((target("avx2"))), avx2)
#endif

void momentum_transpose_tile_float(const float *x, ptrdiff_t m, ptrdiff_t n, float *y) { WIDEST(transpose_float, x, m, n, y); }

void momentum_transpose_tile_double(const double *x, ptrdiff_t m, ptrdiff_t n, double *y) { WIDEST(transpose_double, x, m, n, y); }
