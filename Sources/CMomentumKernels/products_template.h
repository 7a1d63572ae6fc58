// The products of one instruction set and one element type. The includer defines
//
//   NAME(x)   the function names          TARGET    the attribute that allows the instructions
//   SCALAR    the element type            VECTOR    WIDTH elements of it
//   LOAD STORE SET1 ADD FMA(a, b, c) = a * b + c
//   ROWS      so many rows of two vectors of c that they, two vectors of b and one of a fill the registers
//
// and this file undefines all of them.

#define INLINE TARGET static inline __attribute__((always_inline))
#define EACH(row) _Pragma("clang loop unroll(full)") for (int row = 0; row < rows; row++)

// Rows of c, one or two vectors wide. The numbers of both, and in the usual case the lengths of rows, are constants where this is
// called.
INLINE void NAME(block)(
    const SCALAR *a, const SCALAR *b, SCALAR *c, ptrdiff_t a_row, ptrdiff_t b_row, ptrdiff_t c_row, ptrdiff_t k, int adds,
    int rows, int vectors) {
  VECTOR first[ROWS], second[ROWS];
  EACH(row) first[row] = second[row] = SET1(0);
  for (ptrdiff_t i = 0; i < k; i++) {
    const VECTOR one = LOAD(b + i * b_row), two = vectors > 1 ? LOAD(b + i * b_row + WIDTH) : one;
    EACH(row) {
      const VECTOR x = SET1(a[row * a_row + i]);
      first[row] = FMA(x, one, first[row]);
      if (vectors > 1) second[row] = FMA(x, two, second[row]);
    }
  }
  EACH(row) {
    SCALAR *to = c + row * c_row;
    STORE(to, adds ? ADD(LOAD(to), first[row]) : first[row]);
    if (vectors > 1) STORE(to + WIDTH, adds ? ADD(LOAD(to + WIDTH), second[row]) : second[row]);
  }
}

// All rows of c, one or two vectors wide.
INLINE void NAME(columns)(
    const SCALAR *a, const SCALAR *b, SCALAR *c, ptrdiff_t a_row, ptrdiff_t b_row, ptrdiff_t c_row, ptrdiff_t m, ptrdiff_t k,
    int adds, int vectors) {
  ptrdiff_t i = 0;
#define BLOCKS(rows)                  \
  for (; i + (rows) <= m; i += (rows)) \
    NAME(block)(a + i * a_row, b, c + i * c_row, a_row, b_row, c_row, k, adds, rows, vectors);
  BLOCKS(ROWS) BLOCKS(4) BLOCKS(2) BLOCKS(1)
#undef BLOCKS
}

// The last columns of c, fewer than a vector, beside columns of zeros.
TARGET static void NAME(last_columns)(
    const SCALAR *a, const SCALAR *b, SCALAR *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t columns, ptrdiff_t k, int adds) {
  SCALAR wide_b[MOMENTUM_TILE_SIDE * WIDTH], wide_c[MOMENTUM_TILE_SIDE * WIDTH];
  for (ptrdiff_t i = 0; i < k; i++) {
    for (ptrdiff_t j = 0; j < WIDTH; j++) wide_b[i * WIDTH + j] = j < columns ? b[i * n + j] : 0;
  }
  NAME(columns)(a, wide_b, wide_c, k, WIDTH, WIDTH, m, k, 0, 1);
  for (ptrdiff_t i = 0; i < m; i++) {
    for (ptrdiff_t j = 0; j < columns; j++) {
      const SCALAR sum = wide_c[i * WIDTH + j];
      c[i * n + j] = adds ? c[i * n + j] + sum : sum;
    }
  }
}

TARGET void NAME(multiply)(
    const SCALAR *a, const SCALAR *b, SCALAR *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int adds) {
  enum { whole = MOMENTUM_TILE_SIDE };
  ptrdiff_t j = 0;
  if (m == whole && n == whole && k == whole) {
    for (; j < whole; j += 2 * WIDTH) NAME(columns)(a, b + j, c + j, whole, whole, whole, whole, whole, adds, 2);
    return;
  }
  for (; j + 2 * WIDTH <= n; j += 2 * WIDTH) NAME(columns)(a, b + j, c + j, k, n, n, m, k, adds, 2);
  for (; j + WIDTH <= n; j += WIDTH) NAME(columns)(a, b + j, c + j, k, n, n, m, k, adds, 1);
  if (j < n) NAME(last_columns)(a, b + j, c + j, m, n, n - j, k, adds);
}

#undef EACH
#undef INLINE
#undef NAME
#undef TARGET
#undef SCALAR
#undef VECTOR
#undef WIDTH
#undef ROWS
#undef LOAD
#undef STORE
#undef SET1
#undef ADD
#undef FMA
