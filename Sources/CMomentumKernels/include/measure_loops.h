#ifndef MOMENTUM_MEASURE_LOOPS_H
#define MOMENTUM_MEASURE_LOOPS_H

#include <stddef.h>

// Measures of n elements, on the widest vectors that the processor has: the same bits on every one.

// The largest magnitude; NaN if an element is NaN.
float momentum_largest_magnitude_float(const float *x, ptrdiff_t n);
double momentum_largest_magnitude_double(const double *x, ptrdiff_t n);

// The sum of squares, and that of magnitudes, in double on 32 lanes: element i goes to lane i mod 32, and a fixed tree joins the
// lanes. The square of a float is exact in double. Multiplication and addition are rounded each by itself.
double momentum_wide_squares_float(const float *x, ptrdiff_t n);
double momentum_wide_squares_double(const double *x, ptrdiff_t n);
double momentum_wide_magnitudes_float(const float *x, ptrdiff_t n);
double momentum_wide_magnitudes_double(const double *x, ptrdiff_t n);

// The variants that every processor runs, for tests.
float momentum_largest_magnitude_float_baseline(const float *x, ptrdiff_t n);
double momentum_largest_magnitude_double_baseline(const double *x, ptrdiff_t n);
double momentum_wide_squares_float_baseline(const float *x, ptrdiff_t n);
double momentum_wide_squares_double_baseline(const double *x, ptrdiff_t n);
double momentum_wide_magnitudes_float_baseline(const float *x, ptrdiff_t n);
double momentum_wide_magnitudes_double_baseline(const double *x, ptrdiff_t n);

#endif
