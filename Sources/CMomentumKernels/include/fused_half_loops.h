#ifndef MOMENTUM_FUSED_HALF_LOOPS_H
#define MOMENTUM_FUSED_HALF_LOOPS_H

#include <stddef.h>
#include <stdint.h>

#include "fused_loops.h"

// Whole programs of a step as one loop each, as in fused_loops.h, on vectors that are kept in half precision: each element is
// widened in a register, and what the program has changed is rounded once, when it is written.

typedef enum { MOMENTUM_STORED_FLOAT, MOMENTUM_STORED_BFLOAT16, MOMENTUM_STORED_FLOAT16, MOMENTUM_STORED_TYPES } momentum_stored_type;

typedef enum {
  // As floats; as floats, with a copy that is rounded to nearest.
  MOMENTUM_PARAMETERS_FLOAT,
  MOMENTUM_PARAMETERS_WITH_BFLOAT16,
  MOMENTUM_PARAMETERS_WITH_FLOAT16,
  // As bfloat16 and what that lacks, see momentum_split_float.
  MOMENTUM_PARAMETERS_SPLIT,
  // As bfloat16, rounded to nearest or at random.
  MOMENTUM_PARAMETERS_NEAREST,
  MOMENTUM_PARAMETERS_STOCHASTIC,
  MOMENTUM_PARAMETERS_WAYS
} momentum_stored_parameters;

// How the vectors of a loop are kept, as a number. The direction is one of floats or of bfloat16, rounded by thresholds as
// momentum_store_dithered_bfloat16 does.
enum { MOMENTUM_FUSED_STORAGES = MOMENTUM_STORED_TYPES * 2 * MOMENTUM_PARAMETERS_WAYS };

static inline int momentum_fused_storage(
    momentum_stored_type gradient, momentum_stored_type direction, momentum_stored_parameters parameters) {
  return (int)gradient + MOMENTUM_STORED_TYPES * ((int)direction + 2 * (int)parameters);
}

// The vectors, from one element of a tensor on.
typedef struct {
  const void *gradient;
  void *direction, *parameters;
  // The remainders, or the copy.
  void *second;
  // The place of the first element in its tensor, the number of the step, and the key of its random numbers.
  uint64_t index, step, key;
  // Whether parameters, and copies of them, become the largest number of their sign instead of infinite.
  int saturates;
} momentum_fused_halves;

// How many finite elements exceeded their type as they were rounded, and how many parameters that are rounded to nearest kept their
// bits although the step would have changed them.
typedef struct {
  ptrdiff_t too_large, kept_bits;
} momentum_fused_losses;

// The loop of a program on the widest vectors of this processor, for momentum_run_fused_half_loop; NULL where there is none.
const void *momentum_find_fused_half_loop(momentum_fused_signature program, int storage);

// Runs a loop on n elements, less than 2^31. The factors are those of momentum_fused_loop_float.
momentum_fused_losses momentum_run_fused_half_loop(
    const void *loop, int storage, const momentum_fused_halves *x, const float *factors, ptrdiff_t n);

// The same for one kind of processor, for tests.
typedef struct {
  const char *name;
  const void *(*find)(momentum_fused_signature program, int storage);
  momentum_fused_losses (*run)(
      const void *loop, int storage, const momentum_fused_halves *x, const float *factors, ptrdiff_t n);
} momentum_fused_half_loops;

// The variant at a position from 0 on, the narrowest first, of those that this processor runs; behind the last one NULL.
const momentum_fused_half_loops *momentum_fused_half_loops_variant(int position);

#endif
