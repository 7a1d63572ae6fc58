// Sums, Cholesky factors and triangular solves of tiles, compiled once for each width of vectors as in element_loops.c.
#include "tile_factors.h"

#include "element_vectors.h"

#pragma STDC FP_CONTRACT OFF

#define COMBINE(target, scalar, suffix)                                                                             \
  target void momentum_combine_tiles_##suffix(scalar a, scalar *y, scalar b, const scalar *x, ptrdiff_t n) {        \
    ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) {                                                                 \
      const scalar kept = a * y[i], added = b * x[i];                                                               \
      y[i] = kept + added;                                                                                          \
    }                                                                                                               \
  }

#define FACTORIZE(target, scalar, suffix)                                          \
  target int momentum_factorize_tile_##suffix(scalar *a, ptrdiff_t n) {            \
    for (ptrdiff_t q = 0; q < n; q++) {                                            \
      scalar *top = a + q * n;                                                     \
      /* Written so that NaN fails it. */                                          \
      if (!(top[q] > 0)) return 0;                                                 \
      const scalar root = ROOT(top[q]);                                            \
      top[q] = root;                                                               \
      ELEMENTWISE for (ptrdiff_t j = q + 1; j < n; j++) { top[j] = top[j] / root; } \
      for (ptrdiff_t p = q + 1; p < n; p++) {                                      \
        scalar *row = a + p * n;                                                   \
        const scalar factor = top[p];                                              \
        ELEMENTWISE for (ptrdiff_t j = p; j < n; j++) {                            \
          const scalar product = factor * top[j];                                  \
          row[j] = row[j] - product;                                               \
        }                                                                          \
      }                                                                            \
    }                                                                              \
    return 1;                                                                      \
  }

// Eight vectors of a row at a time stay in registers while the rows above are taken from them.
#define SOLVE(target, scalar, suffix)                                                                           \
  target void momentum_solve_tile_##suffix(const scalar *u, ptrdiff_t n, scalar *x, ptrdiff_t columns) {        \
    typedef scalar vector __attribute__((vector_size(32), aligned(sizeof(scalar)), may_alias));                 \
    enum { vectors = 8, width = 32 / sizeof(scalar), block = vectors * width };                                 \
    for (ptrdiff_t p = 0; p < n; p++) {                                                                         \
      scalar *row = x + p * columns;                                                                            \
      const scalar pivot = u[p * (n + 1)];                                                                      \
      ptrdiff_t j = 0;                                                                                          \
      for (; j + block <= columns; j += block) {                                                                \
        vector rest[vectors];                                                                                   \
        _Pragma("clang loop unroll(full)") for (int k = 0; k < vectors; k++) rest[k] = *(vector *)(row + j + k * width); \
        for (ptrdiff_t q = 0; q < p; q++) {                                                                     \
          const scalar *above = x + q * columns + j;                                                            \
          const scalar factor = u[q * n + p];                                                                   \
          _Pragma("clang loop unroll(full)") for (int k = 0; k < vectors; k++) {                                \
            const vector product = factor * *(const vector *)(above + k * width);                               \
            rest[k] = rest[k] - product;                                                                        \
          }                                                                                                     \
        }                                                                                                       \
        _Pragma("clang loop unroll(full)") for (int k = 0; k < vectors; k++) *(vector *)(row + j + k * width) = rest[k] / pivot; \
      }                                                                                                         \
      for (ptrdiff_t q = 0; q < p; q++) {                                                                       \
        const scalar *above = x + q * columns;                                                                  \
        const scalar factor = u[q * n + p];                                                                     \
        ELEMENTWISE for (ptrdiff_t i = j; i < columns; i++) {                                                   \
          const scalar product = factor * above[i];                                                             \
          row[i] = row[i] - product;                                                                            \
        }                                                                                                       \
      }                                                                                                         \
      ELEMENTWISE for (ptrdiff_t i = j; i < columns; i++) { row[i] = row[i] / pivot; }                          \
    }                                                                                                           \
  }

#define LOOPS(target, name)                                                           \
  COMBINE(target, float, float_##name) COMBINE(target, double, double_##name)         \
  FACTORIZE(target, float, float_##name) FACTORIZE(target, double, double_##name)     \
  SOLVE(target, float, float_##name) SOLVE(target, double, double_##name)

LOOPS(, baseline)

#if defined(__x86_64__)
LOOPS(static __attribute__((target("avx2"))), avx2)
#endif

void momentum_combine_tiles_float(float a, float *y, float b, const float *x, ptrdiff_t n) {
  WIDEST(momentum_combine_tiles_float, a, y, b, x, n);
}

void momentum_combine_tiles_double(double a, double *y, double b, const double *x, ptrdiff_t n) {
  WIDEST(momentum_combine_tiles_double, a, y, b, x, n);
}

int momentum_factorize_tile_float(float *a, ptrdiff_t n) { return WIDEST(momentum_factorize_tile_float, a, n); }

int momentum_factorize_tile_double(double *a, ptrdiff_t n) { return WIDEST(momentum_factorize_tile_double, a, n); }

void momentum_solve_tile_float(const float *u, ptrdiff_t n, float *x, ptrdiff_t columns) {
  WIDEST(momentum_solve_tile_float, u, n, x, columns);
}

void momentum_solve_tile_double(const double *u, ptrdiff_t n, double *x, ptrdiff_t columns) {
  WIDEST(momentum_solve_tile_double, u, n, x, columns);
}
