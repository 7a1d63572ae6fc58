#ifndef MOMENTUM_HALF_LOOPS_H
#define MOMENTUM_HALF_LOOPS_H

#include <stddef.h>
#include <stdint.h>

// Conversions between float and the two 16-bit types, bfloat16 (the upper half of a float) and IEEE 754 binary16, given by
// their bits. x and y do not overlap; n is less than 2^31.
//
// Widening is exact. Narrowing rounds to nearest, ties to even; what exceeds the largest number becomes infinite. A NaN keeps
// the upper digits of its payload; it becomes quiet, except where bfloat16 is widened, which changes no bit. Subnormal numbers
// are numbers. The caller is in the default floating-point environment.
void momentum_widen_bfloat16(const uint16_t *x, float *y, ptrdiff_t n);
void momentum_narrow_bfloat16(const float *x, uint16_t *y, ptrdiff_t n);
void momentum_widen_float16(const uint16_t *x, float *y, ptrdiff_t n);
void momentum_narrow_float16(const float *x, uint16_t *y, ptrdiff_t n);

// The sum of squares of the portable norm, in double: the bits of that of the widened elements, whatever the processor. Each
// square is exact; infinite or NaN only if an element is.
double momentum_squares_bfloat16(const uint16_t *x, ptrdiff_t n);
double momentum_squares_float16(const uint16_t *x, ptrdiff_t n);

// The number of finite elements of at least some magnitude: of those that become infinite if that is what exceeds a type.
ptrdiff_t momentum_count_overflowing(const float *x, float least, ptrdiff_t n);

// Of y, which x was narrowed to, the elements that are counted so: from infinite to the largest number of their sign.
void momentum_saturate(const float *x, float least, uint16_t *y, ptrdiff_t n);

// The same loops for one kind of processor, for tests: which bits come out must not depend on the processor.
typedef struct {
  const char *name;
  void (*widen_bfloat16)(const uint16_t *x, float *y, ptrdiff_t n);
  void (*narrow_bfloat16)(const float *x, uint16_t *y, ptrdiff_t n);
  void (*widen_float16)(const uint16_t *x, float *y, ptrdiff_t n);
  void (*narrow_float16)(const float *x, uint16_t *y, ptrdiff_t n);
  double (*squares_bfloat16)(const uint16_t *x, ptrdiff_t n);
  double (*squares_float16)(const uint16_t *x, ptrdiff_t n);
} momentum_half_loops;

// The variant at a position from 0 on, the narrowest first, of those that this processor runs; behind the last one NULL.
const momentum_half_loops *momentum_half_loops_variant(int position);

#endif
