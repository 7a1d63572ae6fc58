// The sums of squares that a tile is added to, block by block: several vectors, in the order of BLAS. The loops of squares and those
// that sum beside a program share it, because their bits must be the same. The includer defines SUMMED(x) for the names, VECTORS, the
// number of vectors, and TARGET, SCALAR, VECTOR, WIDTH, LOAD, SET1 and FMA.

enum { SUMMED(block) = VECTORS * WIDTH };

typedef struct {
  VECTOR of[VECTORS];
} SUMMED(lanes);

TARGET static inline __attribute__((always_inline)) SUMMED(lanes) SUMMED(nothing)(void) {
  SUMMED(lanes) sum;
#pragma clang loop unroll(full)
  for (int k = 0; k < VECTORS; k++) sum.of[k] = SET1(0);
  return sum;
}

TARGET static inline __attribute__((always_inline)) SUMMED(lanes) SUMMED(add)(SUMMED(lanes) sum, const SCALAR *x) {
#pragma clang loop unroll(full)
  for (int k = 0; k < VECTORS; k++) {
    const VECTOR y = LOAD(x + k * WIDTH);
    sum.of[k] = FMA(y, y, sum.of[k]);
  }
  return sum;
}

// Copies the last elements of a tile, which fill no block, as bounds leave them; returns how many the bounds change.
TARGET static inline __attribute__((always_inline)) ptrdiff_t SUMMED(clamp_rest)(
    const SCALAR *x, ptrdiff_t n, SCALAR lower, SCALAR upper, SCALAR *rest) {
  ptrdiff_t changed = 0;
  for (ptrdiff_t k = 0; k < n; k++) {
    const SCALAR y = x[k], raised = y < lower ? lower : y;
    rest[k] = raised > upper ? upper : raised;
    changed += rest[k] < y || rest[k] > y;
  }
  return changed;
}
