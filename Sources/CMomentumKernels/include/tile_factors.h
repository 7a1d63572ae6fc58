#ifndef MOMENTUM_TILE_FACTORS_H
#define MOMENTUM_TILE_FACTORS_H

#include <stddef.h>

// What matrices in tiles need besides products, on the widest vectors that the processor has. Every operation is rounded by itself, in
// one order: the same bits on every processor.

// y = a * y + b * x, of n elements.
void momentum_combine_tiles_float(float a, float *y, float b, const float *x, ptrdiff_t n);
void momentum_combine_tiles_double(double a, double *y, double b, const double *x, ptrdiff_t n);

// The Cholesky factor U of A = U^T U, n rows of n elements: the half of a above the diagonal becomes that of U. Returns 0 if there is
// none, which a NaN has not; part of a is overwritten then.
int momentum_factorize_tile_float(float *a, ptrdiff_t n);
int momentum_factorize_tile_double(double *a, ptrdiff_t n);

// x = the inverse of U^T, times x, of n rows of some columns. Only the half of u above its diagonal is read.
void momentum_solve_tile_float(const float *u, ptrdiff_t n, float *x, ptrdiff_t columns);
void momentum_solve_tile_double(const double *u, ptrdiff_t n, double *x, ptrdiff_t columns);

// The variants that every processor runs, for tests.
void momentum_combine_tiles_float_baseline(float a, float *y, float b, const float *x, ptrdiff_t n);
void momentum_combine_tiles_double_baseline(double a, double *y, double b, const double *x, ptrdiff_t n);
int momentum_factorize_tile_float_baseline(float *a, ptrdiff_t n);
int momentum_factorize_tile_double_baseline(double *a, ptrdiff_t n);
void momentum_solve_tile_float_baseline(const float *u, ptrdiff_t n, float *x, ptrdiff_t columns);
void momentum_solve_tile_double_baseline(const double *u, ptrdiff_t n, double *x, ptrdiff_t columns);

#endif
