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
  // Two at a time: once through this loop is little more than its multiplications, and counting takes its share of the instructions
  // that a processor reads at a time.
  _Pragma("clang loop unroll_count(2)") for (ptrdiff_t i = 0; i < k; i++) {
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

// Fetches the next lines of a tile into a second-level cache. A product reads its second factor by columns of vectors, in which no
// processor sees what comes next.
INLINE void NAME(fetch)(const SCALAR *tile, ptrdiff_t start, ptrdiff_t bytes) {
  if (!tile) return;
  for (ptrdiff_t i = start; i < start + bytes; i += 64) __builtin_prefetch((const char *)tile + i, 0, 2);
}

// A product of whole tiles, by rows of blocks, so that a first-level cache holds the rows of a. The next tiles are fetched a few lines
// at a time, so that none waits for the others.
INLINE void NAME(multiply_whole)(
    const SCALAR *a, const SCALAR *b, SCALAR *c, int adds, int lower, const SCALAR *next_a, const SCALAR *next_b) {
  enum {
    side = MOMENTUM_TILE_SIDE,
    lines = side * side * sizeof(SCALAR) / 64,
    blocks = (side / ROWS + 1) * (side / (2 * WIDTH)),
    bytes = (lines + blocks - 1) / blocks * 64
  };
  ptrdiff_t fetched = 0;
  for (ptrdiff_t i = 0; i < side; i += ROWS) {
    for (ptrdiff_t j = 0; j < side; j += 2 * WIDTH) {
      const SCALAR *rows = a + i * side;
      SCALAR *to = c + i * side + j;
      if (lower && j >= i + ROWS) {
        // Nothing of this block is asked for.
      } else if (i + ROWS <= side) {
        NAME(block)(rows, b + j, to, side, side, side, side, adds, ROWS, 2);
      } else {
        NAME(columns)(rows, b + j, to, side, side, side, side % ROWS, side, adds, 2);
      }
      NAME(fetch)(next_a, fetched, bytes);
      NAME(fetch)(next_b, fetched, bytes);
      fetched += bytes;
    }
  }
}

TARGET void NAME(multiply)(
    const SCALAR *a, const SCALAR *b, SCALAR *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int adds, int lower,
    const SCALAR *next_a, const SCALAR *next_b) {
  enum { whole = MOMENTUM_TILE_SIDE };
  if (m == whole && n == whole && k == whole) return NAME(multiply_whole)(a, b, c, adds, lower, next_a, next_b);
  ptrdiff_t j = 0;
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
