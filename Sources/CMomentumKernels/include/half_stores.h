#ifndef MOMENTUM_HALF_STORES_H
#define MOMENTUM_HALF_STORES_H

#include <stddef.h>
#include <stdint.h>

// Ways to keep a vector of floats in 16-bit numbers: rounded to nearest or at random, or exactly, as a bfloat16 and the
// remainder. x and y do not overlap. n is less than 2^31. The caller is in the default floating-point environment.

// y = x + remainder, the float that was split.
void momentum_join_float(const uint16_t *x, const int16_t *remainder, float *y, ptrdiff_t n);

// y = x rounded to nearest, ties away from 0, and what the bits of x then lack; for a NaN the quiet NaN and 0.
void momentum_split_float(const float *x, uint16_t *y, int16_t *remainder, ptrdiff_t n);

// y = x, rounded to nearest, ties to even. Returns how many elements of y keep their bits although x is another number.
ptrdiff_t momentum_store_bfloat16(const float *x, uint16_t *y, ptrdiff_t n);

// Which random numbers a vector is rounded with. They depend on the place of an element in its tensor and on nothing else.
typedef struct {
  uint64_t key, step;
  // Vectors of one tensor that must not share numbers differ in it; less than 16.
  uint32_t stream;
} momentum_random_place;

// y = x, rounded up or down at random, in the mean to x: elements index to index + n of a tensor. A number that bfloat16 has,
// an infinity and a NaN are stored as they are; beyond the largest number but one the nearest is taken, so that chance alone
// makes nothing infinite.
void momentum_store_stochastic_bfloat16(
    const float *x, uint16_t *y, ptrdiff_t n, momentum_random_place place, uint64_t index);

// y = x, rounded up or down so that the mean over the steps is x: elements index to index + n of a tensor, in a step. Where an
// element is added to step after step, what its roundings lack stays below a few digits; at random it would grow with the
// square root of the steps. Numbers that need no rounding, and large ones, are stored as above.
void momentum_store_dithered_bfloat16(const float *x, uint16_t *y, ptrdiff_t n, uint64_t step, uint64_t index);

// The random numbers: Philox4x32-10 of Salmon, Moraes, Dror and Shaw (2011).
void momentum_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t words[4]);

// The same loops for one kind of processor, for tests.
typedef struct {
  const char *name;
  void (*join_float)(const uint16_t *x, const int16_t *remainder, float *y, ptrdiff_t n);
  void (*split_float)(const float *x, uint16_t *y, int16_t *remainder, ptrdiff_t n);
  ptrdiff_t (*store_bfloat16)(const float *x, uint16_t *y, ptrdiff_t n);
  void (*store_stochastic_bfloat16)(
      const float *x, uint16_t *y, ptrdiff_t n, momentum_random_place place, uint64_t index);
  void (*store_dithered_bfloat16)(const float *x, uint16_t *y, ptrdiff_t n, uint64_t step, uint64_t index);
} momentum_half_stores;

// As momentum_half_loops_variant.
const momentum_half_stores *momentum_half_stores_variant(int position);

#endif
