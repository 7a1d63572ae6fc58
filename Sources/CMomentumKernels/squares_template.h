// The loop of one instruction set and one element type. The includer defines
//
//   NAME(x)   the function names          TARGET    the attribute that allows the instructions
//   SCALAR    the element type            VECTOR    WIDTH elements of it
//   LOAD FMA(a, b, c) = a * b + c, ZERO
//   FOLD(a, b, c, d)   the sum of four vectors, in the order of BLAS
//   END(sum, x, n)     that sum with the squares of the last elements, which fill no block, in the order of BLAS
//
// and this file undefines all of them but TARGET.

#define INLINE TARGET static inline __attribute__((always_inline))

enum { NAME(block) = 4 * WIDTH };

typedef struct {
  VECTOR a, b, c, d;
} NAME(lanes);

INLINE NAME(lanes) NAME(add)(NAME(lanes) sum, const SCALAR *x) {
  const VECTOR a = LOAD(x), b = LOAD(x + WIDTH), c = LOAD(x + 2 * WIDTH), d = LOAD(x + 3 * WIDTH);
  sum.a = FMA(a, a, sum.a);
  sum.b = FMA(b, b, sum.b);
  sum.c = FMA(c, c, sum.c);
  sum.d = FMA(d, d, sum.d);
  return sum;
}

INLINE SCALAR NAME(end)(NAME(lanes) sum, const SCALAR *x, ptrdiff_t n) {
  const ptrdiff_t whole = n & -(ptrdiff_t)NAME(block);
  return END(FOLD(sum.a, sum.b, sum.c, sum.d), x + whole, n - whole);
}

// The number of tiles is a constant where this is called.
INLINE void NAME(sum)(const SCALAR *x, ptrdiff_t n, ptrdiff_t tile, int tiles, SCALAR *sums) {
  const SCALAR *second = x + tile, *third = second + tile;
  const ptrdiff_t last = n - (tiles - 1) * tile, whole = last & -(ptrdiff_t)NAME(block);
  NAME(lanes) one = {ZERO, ZERO, ZERO, ZERO}, two = one, three = one;
  ptrdiff_t i = 0;
  for (; i < whole; i += NAME(block)) {
    one = NAME(add)(one, x + i);
    if (tiles > 1) two = NAME(add)(two, second + i);
    if (tiles > 2) three = NAME(add)(three, third + i);
  }
  if (tiles == 1) {
    sums[0] = NAME(end)(one, x, last);
    return;
  }
  sums[tiles - 1] = tiles == 2 ? NAME(end)(two, second, last) : NAME(end)(three, third, last);
  for (; i < tile; i += NAME(block)) {
    one = NAME(add)(one, x + i);
    if (tiles > 2) two = NAME(add)(two, second + i);
  }
  sums[0] = NAME(end)(one, x, tile);
  if (tiles > 2) sums[1] = NAME(end)(two, second, tile);
}

TARGET void NAME(squares)(const SCALAR *x, ptrdiff_t n, ptrdiff_t tile, SCALAR *sums) {
  if (n <= tile) {
    NAME(sum)(x, n, tile, 1, sums);
  } else if (n <= 2 * tile) {
    NAME(sum)(x, n, tile, 2, sums);
  } else {
    NAME(sum)(x, n, tile, 3, sums);
  }
}

#undef INLINE
#undef NAME
#undef SCALAR
#undef VECTOR
#undef WIDTH
#undef LOAD
#undef FMA
#undef ZERO
#undef FOLD
#undef END
