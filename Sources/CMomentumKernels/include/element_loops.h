#ifndef MOMENTUM_ELEMENT_LOOPS_H
#define MOMENTUM_ELEMENT_LOOPS_H

#include <stddef.h>

// Element loops that BLAS lacks and whose speed shows, on the widest vectors that the processor has. y may be x itself, but not
// overlap it otherwise; n is less than 2^31.

// y = min(max(x, lower), upper); NaN passes, an infinity goes to its bound.
void momentum_clamp_float(const float *x, float lower, float upper, float *y, ptrdiff_t n);
void momentum_clamp_double(const double *x, double lower, double upper, double *y, ptrdiff_t n);

// The same; returns how many elements that changes.
ptrdiff_t momentum_clamp_counting_float(const float *x, float lower, float upper, float *y, ptrdiff_t n);
ptrdiff_t momentum_clamp_counting_double(const double *x, double lower, double upper, double *y, ptrdiff_t n);

// y = x, with 0 in place of every NaN and infinity.
void momentum_clear_nonfinite_float(const float *x, float *y, ptrdiff_t n);
void momentum_clear_nonfinite_double(const double *x, double *y, ptrdiff_t n);

// The variants that every processor runs, for tests: which bits come out must not depend on the processor.
void momentum_clamp_float_baseline(const float *x, float lower, float upper, float *y, ptrdiff_t n);
void momentum_clamp_double_baseline(const double *x, double lower, double upper, double *y, ptrdiff_t n);
ptrdiff_t momentum_clamp_counting_float_baseline(const float *x, float lower, float upper, float *y, ptrdiff_t n);
ptrdiff_t momentum_clamp_counting_double_baseline(const double *x, double lower, double upper, double *y, ptrdiff_t n);
void momentum_clear_nonfinite_float_baseline(const float *x, float *y, ptrdiff_t n);
void momentum_clear_nonfinite_double_baseline(const double *x, double *y, ptrdiff_t n);

#endif
