// The loops of fused_template.h that, beside running a program on one tile, add up the squares of the next tile. The includer
// defines SUMMED(x) for the names, VECTORS, the number of vectors that a tile is added to, and SUMMING_PACE.
#include "squares_lanes.h"

INLINE void SUMMED(store)(SCALAR *lanes, SUMMED(lanes) sum) {
#pragma clang loop unroll(full)
  for (int k = 0; k < VECTORS; k++) STORE(lanes + k * WIDTH, sum.of[k]);
}

INLINE void SUMMED(run_block)(
    momentum_fused_signature program, SCALAR *const *operands, const SCALAR *factors, ptrdiff_t i) {
#pragma clang loop unroll(full)
  for (int k = 0; k < VECTORS; k++) NAME(run_vector)(program, operands, factors, i + k * WIDTH);
}

INLINE void SUMMED(run)(
    NAME(loop) *loop, momentum_fused_signature program, SCALAR *const *operands, const SCALAR *factors, ptrdiff_t n,
    const SCALAR *next, ptrdiff_t next_n, SCALAR *lanes) {
  SCALAR *own[MOMENTUM_FUSED_COPY];
  SCALAR own_factors[2 * MOMENTUM_FUSED_LONGEST];
  memcpy(own, operands, sizeof own);
  memcpy(own_factors, factors, sizeof own_factors);
  SUMMED(lanes) sum = SUMMED(nothing)();
  // So many blocks of squares are added beside one of the program, and so late that the elements are still in the first-level cache
  // when the program comes to them.
  const ptrdiff_t block = SUMMED(block), whole = n & -block, first = (whole - whole / SUMMING_PACE) & -block;
  ptrdiff_t i = 0, k = 0;
  for (; i < first; i += block) SUMMED(run_block)(program, own, own_factors, i);
  for (; i < whole && k + SUMMING_PACE * block <= next_n; i += block, k += SUMMING_PACE * block) {
#pragma clang loop unroll(full)
    for (int j = 0; j < SUMMING_PACE; j++) sum = SUMMED(add)(sum, next + k + j * block);
    SUMMED(run_block)(program, own, own_factors, i);
  }
  for (; k < next_n; k += block) sum = SUMMED(add)(sum, next + k);
  SUMMED(store)(lanes, sum);
  for (; i + WIDTH <= n; i += WIDTH) NAME(run_vector)(program, own, own_factors, i);
  if (i < n) NAME(finish)(loop, program, operands, factors, i, n - i);
}

#define DEFINE(name, program)                                                                                       \
  TARGET static void SUMMED(name)(                                                                                  \
      SCALAR *const *operands, const SCALAR *factors, ptrdiff_t n, const SCALAR *next, ptrdiff_t next_n, SCALAR *lanes) { \
    SUMMED(run)(NAME(name), program, operands, factors, n, next, next_n, lanes);                                    \
  }
SUMMING_PROGRAMS(DEFINE)
#undef DEFINE

#define FOUND(name, program) \
  case program: return SUMMED(name);
NAME(summing_loop) *SUMMED(find)(momentum_fused_signature program) {
  switch (program) {
    SUMMING_PROGRAMS(FOUND)
    default: return NULL;
  }
}
#undef FOUND
