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
