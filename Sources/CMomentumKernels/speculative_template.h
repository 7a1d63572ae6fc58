// The loops of fused_template.h for steps in one pass: they update a piece of a tile as soon as its squares are known to keep a sum
// within a limit, and add up the squares of the next piece beside. The includer defines SUMMED(x) for the names, VECTORS, the number of
// vectors that a sum is kept in, and FOLD(sums), their sum in the order of BLAS.
#include "squares_lanes.h"

INLINE void SUMMED(store)(SCALAR *lanes, SUMMED(lanes) sum) {
#pragma clang loop unroll(full)
  for (int k = 0; k < VECTORS; k++) STORE(lanes + k * WIDTH, sum.of[k]);
}

// The sum of the lanes and of the squares of the n last elements, which fill no block.
INLINE SCALAR SUMMED(end)(SUMMED(lanes) sum, const SCALAR *rest, ptrdiff_t n, NAME(finish_squares) *finish) {
  if (n == 0) return FOLD(sum.of);
  SCALAR lanes[SUMMED(block)];
  SUMMED(store)(lanes, sum);
  return finish(lanes, rest, n);
}

// Runs the program on a block and, if sums, adds up the squares of its gradient. Where the program clears the gradient, nothing had to
// be cleared: the sum of the piece is finite.
INLINE SUMMED(lanes) SUMMED(run_block)(
    momentum_fused_signature program, SCALAR *const *operands, const SCALAR *factors, ptrdiff_t i, int sums,
    SUMMED(lanes) sum) {
#pragma clang loop unroll(full)
  for (int k = 0; k < VECTORS; k++) {
    const VECTOR x = NAME(run_part)(program, operands, factors, i + k * WIDTH, ALL).operand[MOMENTUM_FUSED_GRADIENT];
    if (sums) sum.of[k] = FMA(x, x, sum.of[k]);
  }
  return sum;
}

// Whether a tile has several pieces, whose sums are not its own, is a constant where this is called.
INLINE ptrdiff_t SUMMED(run)(
    NAME(loop) *loop, momentum_fused_signature program, SCALAR *const *operands, const SCALAR *factors, ptrdiff_t n,
    const momentum_speculation *given, int several, double *total, SCALAR *tiles, NAME(finish_squares) *finish) {
  SCALAR *own[MOMENTUM_FUSED_COPY];
  SCALAR own_factors[2 * MOMENTUM_FUSED_LONGEST];
  memcpy(own, operands, sizeof own);
  memcpy(own_factors, factors, sizeof own_factors);
  const SCALAR *gradient = own[MOMENTUM_FUSED_GRADIENT];
  const ptrdiff_t block = SUMMED(block), tile = given->tile, piece = given->piece;
  SUMMED(lanes) of_tile = SUMMED(nothing)(), of_next = of_tile;
  ptrdiff_t i = 0, next_n = n < piece ? n : piece, k = 0;
  for (; k + block <= next_n; k += block) of_next = SUMMED(add)(of_next, gradient + k);
  SCALAR next = SUMMED(end)(of_next, gradient + k, next_n - k, finish);
  double sum = *total;
  while (i < n) {
    const double longer = sum + (double)next;
    // Written so that NaN ends it.
    if (!(longer <= given->largest && next < (SCALAR)INFINITY)) break;
    sum = longer;
    const SCALAR piece_sum = next;
    const ptrdiff_t end = i + next_n;
    const SCALAR *x = gradient + end;
    next_n = n - end < piece ? n - end : piece;
    of_next = SUMMED(nothing)();
#pragma clang loop unroll_count(2)
    for (k = 0; k + block <= next_n; k += block, i += block) {
      of_next = SUMMED(add)(of_next, x + k);
      of_tile = SUMMED(run_block)(program, own, own_factors, i, several, of_tile);
    }
    next = SUMMED(end)(of_next, x + k, next_n - k, finish);
#pragma clang loop unroll_count(2)
    for (; i + block <= end; i += block) of_tile = SUMMED(run_block)(program, own, own_factors, i, several, of_tile);
    if (end < n && end % tile != 0) continue;
    *tiles++ = several ? SUMMED(end)(of_tile, gradient + i, end - i, finish) : piece_sum;
    of_tile = SUMMED(nothing)();
    for (; i + WIDTH <= end; i += WIDTH) NAME(run_vector)(program, own, own_factors, i);
    if (i < end) NAME(finish)(loop, program, own, own_factors, i, end - i);
    i = end;
  }
  *total = sum;
  return i;
}

#define DEFINE(name, program)                                                                                        \
  TARGET static ptrdiff_t SUMMED(name)(                                                                              \
      SCALAR *const *operands, const SCALAR *factors, ptrdiff_t n, const momentum_speculation *given, double *total, \
      SCALAR *tiles, NAME(finish_squares) *finish) {                                                                 \
    return n > given->piece && given->piece < given->tile                                                            \
               ? SUMMED(run)(NAME(name), program, operands, factors, n, given, 1, total, tiles, finish)              \
               : SUMMED(run)(NAME(name), program, operands, factors, n, given, 0, total, tiles, finish);             \
  }
SPECULATIVE_PROGRAMS(DEFINE)
#undef DEFINE

#define FOUND(name, program) \
  case program: return SUMMED(name);
NAME(speculative_loop) *SUMMED(find)(momentum_fused_signature program) {
  switch (program) {
    SPECULATIVE_PROGRAMS(FOUND)
    default: return NULL;
  }
}
#undef FOUND
