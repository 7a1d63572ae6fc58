// The loop of one instruction set, one element type and one order of summation. The includer defines
//
//   NAME(x)   the function names          TARGET    the attribute that allows the instructions
//   VECTORS   the number of vectors that a tile is added to
//   MOST      the most tiles of a call: 3, or 5 where that keeps a processor busier
//   SCALAR    the element type            VECTOR    WIDTH elements of it
//   LOAD FMA(a, b, c) = a * b + c, SET1 MIN MAX as the processor has them: of a NaN and a number the second
//   COUNTS    WIDTH integers, all of them 0 in NO_COUNTS
//   COUNT(counts, x, y)   counts, increased where x and y have the same bits
//   TOTAL(counts)         their sum
//   MAGNITUDE(x)          x without its sign
//   LEAST(a, b)           the smaller of two magnitudes; of a NaN and a number either
//   END(sums, x, n)       the sum of an array of VECTORS vectors and of the squares of the last elements, which fill no block, in
//                         the order of BLAS
//   LOOPS     the structure of the loops of this type, VECTORS_NAME what its vectors are called
//   NEAR      how many tiles a run may have at most for several side by side to take less time than one after the other
//   FAR FARTHEST   from how many tiles on, and up to how many, to fetch the next tile beside the sum of one takes less time
//   PROGRAMS(x)   the names of the loops that run a program beside such sums: of those that find them
//
// and this file defines NAME(loops), and undefines NAME, VECTORS, MOST, END and PROGRAMS, for the next kernels of the same type.

#define INLINE TARGET static inline __attribute__((always_inline))

#define SUMMED NAME
#include "squares_lanes.h"
#undef SUMMED

INLINE SCALAR NAME(end)(NAME(lanes) sum, const SCALAR *x, ptrdiff_t n) {
  const ptrdiff_t whole = n & -(ptrdiff_t)NAME(block);
  return END(sum.of, x + whole, n - whole);
}

TARGET static SCALAR NAME(finish)(const SCALAR *lanes, const SCALAR *rest, ptrdiff_t n) {
  NAME(lanes) sum;
#pragma clang loop unroll(full)
  for (int k = 0; k < VECTORS; k++) sum.of[k] = LOAD(lanes + k * WIDTH);
  return END(sum.of, rest, n);
}

// Asks for the elements of a block that a later call will want.
INLINE void NAME(fetch)(const SCALAR *x) {
  const ptrdiff_t line = 64 / (ptrdiff_t)sizeof(SCALAR);
#pragma clang loop unroll(full)
  for (ptrdiff_t k = 0; k < NAME(block); k += line) __builtin_prefetch(x + k);
}

// The number of tiles, and whether to fetch the next tile meanwhile, are constants where this is called.
INLINE void NAME(sum)(const SCALAR *x, ptrdiff_t n, ptrdiff_t tile, int tiles, int fetches, SCALAR *sums) {
  const SCALAR *last = x + (tiles - 1) * tile;
  const ptrdiff_t rest = n - (tiles - 1) * tile, whole = rest & -(ptrdiff_t)NAME(block);
  NAME(lanes) all[MOMENTUM_SQUARES_TILES];
#pragma clang loop unroll(full)
  for (int t = 0; t < tiles; t++) all[t] = NAME(nothing)();
  ptrdiff_t i = 0;
  for (; i < whole; i += NAME(block)) {
#pragma clang loop unroll(full)
    for (int t = 0; t < tiles; t++) all[t] = NAME(add)(all[t], x + t * tile + i);
    if (fetches) NAME(fetch)(x + tile + i);
  }
  sums[tiles - 1] = NAME(end)(all[tiles - 1], last, rest);
  if (tiles == 1) return;
  for (; i < tile; i += NAME(block)) {
#pragma clang loop unroll(full)
    for (int t = 0; t < tiles - 1; t++) all[t] = NAME(add)(all[t], x + t * tile + i);
  }
#pragma clang loop unroll(full)
  for (int t = 0; t < tiles - 1; t++) sums[t] = NAME(end)(all[t], x + t * tile, tile);
}

_Static_assert((MOST == 3 || MOST == 5) && MOST <= MOMENTUM_SQUARES_TILES, "the tiles below");

TARGET static void NAME(squares)(const SCALAR *x, ptrdiff_t n, ptrdiff_t tile, int fetches, SCALAR *sums) {
  if (n <= tile && fetches) {
    NAME(sum)(x, n, tile, 1, 1, sums);
  } else if (n <= tile) {
    NAME(sum)(x, n, tile, 1, 0, sums);
  } else if (n <= 2 * tile) {
    NAME(sum)(x, n, tile, 2, 0, sums);
  } else if (MOST > 3 && n <= 3 * tile) {
    NAME(sum)(x, n, tile, 3, 0, sums);
  } else if (MOST > 3 && n <= 4 * tile) {
    NAME(sum)(x, n, tile, 4, 0, sums);
  } else {
    NAME(sum)(x, n, tile, MOST, 0, sums);
  }
}

// A tile by itself, but with a second sum: each of the two has something to add while the other one waits.
//
// Between bounds of one magnitude the signs do not matter to squares, and magnitudes take fewer instructions of the kind that
// multiply, too. A NaN is then taken for the bound; the first sum shows it.
INLINE ptrdiff_t NAME(sum_clamped)(
    const SCALAR *x, ptrdiff_t n, SCALAR lower, SCALAR upper, int by_magnitude, SCALAR *sums) {
  const VECTOR low = SET1(lower), high = SET1(upper);
  NAME(lanes) all = NAME(nothing)(), clamped = all;
  COUNTS same = NO_COUNTS;
  ptrdiff_t i = 0;
  for (; i + NAME(block) <= n; i += NAME(block)) {
#pragma clang loop unroll(full)
    for (int k = 0; k < VECTORS; k++) {
      VECTOR y = LOAD(x + i + k * WIDTH);
      if (by_magnitude) y = MAGNITUDE(y);
      // A NaN passes, and a zero between bounds keeps its sign.
      const VECTOR z = by_magnitude ? LEAST(high, y) : MIN(high, MAX(low, y));
      same = COUNT(same, y, z);
      all.of[k] = FMA(y, y, all.of[k]);
      clamped.of[k] = FMA(z, z, clamped.of[k]);
    }
  }
  SCALAR rest[NAME(block)];
  const ptrdiff_t changed = i - TOTAL(same) + NAME(clamp_rest)(x + i, n - i, lower, upper, rest);
  sums[0] = END(all.of, x + i, n - i);
  sums[1] = END(clamped.of, rest, n - i);
  return changed;
}

TARGET static ptrdiff_t NAME(clamped)(const SCALAR *x, ptrdiff_t n, SCALAR lower, SCALAR upper, SCALAR *sums) {
  if (lower == -upper && upper >= 0) {
    const ptrdiff_t changed = NAME(sum_clamped)(x, n, lower, upper, 1, sums);
    if (sums[0] == sums[0]) return changed;
  }
  return NAME(sum_clamped)(x, n, lower, upper, 0, sums);
}

const LOOPS NAME(loops) = {
    {VECTORS_NAME, MOST, NEAR, FAR, FARTHEST}, NAME(squares), NAME(clamped), NAME(finish),
    PROGRAMS(find), PROGRAMS(find_clamping)};

#undef INLINE
#undef NAME
#undef VECTORS
#undef MOST
#undef END
#undef PROGRAMS
