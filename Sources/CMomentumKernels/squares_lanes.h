// The sums of squares that a tile is added to, block by block: four vectors, in the order of BLAS. The loops of squares and those that
// sum beside a program share it, because their bits must be the same. The includer defines NAME, TARGET, SCALAR, VECTOR, WIDTH, LOAD
// and FMA.

enum { NAME(block) = 4 * WIDTH };

typedef struct {
  VECTOR a, b, c, d;
} NAME(lanes);

TARGET static inline __attribute__((always_inline)) NAME(lanes) NAME(add)(NAME(lanes) sum, const SCALAR *x) {
  const VECTOR a = LOAD(x), b = LOAD(x + WIDTH), c = LOAD(x + 2 * WIDTH), d = LOAD(x + 3 * WIDTH);
  sum.a = FMA(a, a, sum.a);
  sum.b = FMA(b, b, sum.b);
  sum.c = FMA(c, c, sum.c);
  sum.d = FMA(d, d, sum.d);
  return sum;
}
