#ifndef MOMENTUM_MOMENT_LOOPS_H
#define MOMENTUM_MOMENT_LOOPS_H

#include <stddef.h>

// Loops of update rules that are not linear in the gradient. x and y do not overlap; n is less than 2^31. Each operation is
// rounded once, to nearest, so the bits do not depend on the processor.

// x = 1, -1 or 0 by the sign of x, 0 for both zeros; NaN stays.
void momentum_sign_float(float *x, ptrdiff_t n);
void momentum_sign_double(double *x, ptrdiff_t n);

// y = decay * y + (factor * x)^2.
void momentum_average_squares_float(float decay, float factor, const float *x, float *y, ptrdiff_t n);
void momentum_average_squares_double(double decay, double factor, const double *x, double *y, ptrdiff_t n);

// y = y / (sqrt(x) + epsilon).
void momentum_divide_by_root_float(float epsilon, const float *x, float *y, ptrdiff_t n);
void momentum_divide_by_root_double(double epsilon, const double *x, double *y, ptrdiff_t n);

// The variants that every processor runs, for tests.
void momentum_sign_float_baseline(float *x, ptrdiff_t n);
void momentum_sign_double_baseline(double *x, ptrdiff_t n);
void momentum_average_squares_float_baseline(float decay, float factor, const float *x, float *y, ptrdiff_t n);
void momentum_average_squares_double_baseline(double decay, double factor, const double *x, double *y, ptrdiff_t n);
void momentum_divide_by_root_float_baseline(float epsilon, const float *x, float *y, ptrdiff_t n);
void momentum_divide_by_root_double_baseline(double epsilon, const double *x, double *y, ptrdiff_t n);

#endif
