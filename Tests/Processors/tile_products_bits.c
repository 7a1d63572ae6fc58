// Compares the products of tiles with chains of fused multiply-adds, and transposes with the elements that they move, bit for bit, for
// Scripts/test-processors.sh: every variant that this processor runs, both element types. Prints what was compared; exits 1 at the
// first difference.

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tile_products.h"

static uint64_t state = 1;

static uint64_t next(void) {
  state = state * 6364136223846793005 + 1442695040888963407;
  return state ^ state >> 29;
}

enum { SIDE = MOMENTUM_TILE_SIDE, ROOM = SIDE * SIDE, ROUNDS = 200 };

static int extent(int round) { return round < 8 ? SIDE : 1 + (int)(next() % SIDE); }

#define COMPARE(type, suffix, multiply_add)                                                                            \
  static int compare_##suffix(const momentum_tile_products *variant) {                                                 \
    static type a[ROOM], b[ROOM], c[ROOM], expected[ROOM];                                                             \
    for (int round = 0; round < ROUNDS; round++) {                                                                     \
      const int m = extent(round), n = extent(round), k = extent(round), adds = (int)(next() % 2);                     \
      const int lower = m == n && round % 4 < 2;                                                                       \
      for (int i = 0; i < ROOM; i++) {                                                                                 \
        a[i] = (type)((double)(int64_t)next() * 0x1p-63);                                                              \
        b[i] = (type)((double)(int64_t)next() * 0x1p-63);                                                              \
        c[i] = expected[i] = (type)((double)(int64_t)next() * 0x1p-63);                                                \
      }                                                                                                                \
      for (int i = 0; i < m; i++) {                                                                                    \
        for (int j = 0; j < n; j++) {                                                                                  \
          type sum = 0;                                                                                                \
          for (int depth = 0; depth < k; depth++) sum = multiply_add(a[i * k + depth], b[depth * n + j], sum);         \
          expected[i * n + j] = adds ? expected[i * n + j] + sum : sum;                                                \
        }                                                                                                              \
      }                                                                                                                \
      variant->multiply_##suffix(a, b, c, m, n, k, adds, lower, round % 3 ? a : NULL, round % 2 ? b : NULL);           \
      /* What a lower product leaves above the diagonal does not matter. */                                            \
      for (int i = 0; lower && i < m; i++) {                                                                           \
        for (int j = i + 1; j < n; j++) c[i * n + j] = expected[i * n + j];                                            \
      }                                                                                                                \
      if (memcmp(c, expected, sizeof c) != 0) {                                                                        \
        printf("%s " #type ": %d x %d times %d x %d differs\n", variant->name, m, k, k, n);                            \
        return 0;                                                                                                      \
      }                                                                                                                \
      momentum_transpose_tile_##suffix(a, m, n, c);                                                                    \
      for (int i = 0; i < m * n; i++) {                                                                                \
        if (c[i % n * m + i / n] == a[i]) continue;                                                                    \
        printf(#type ": the transpose of %d x %d differs\n", m, n);                                                    \
        return 0;                                                                                                      \
      }                                                                                                                \
    }                                                                                                                  \
    return 1;                                                                                                          \
  }

COMPARE(float, float, fmaf)
COMPARE(double, double, fma)

int main(void) {
  const momentum_tile_products *variant;
  for (int position = 0; (variant = momentum_tile_products_variant(position)); position++) {
    if (!compare_float(variant) || !compare_double(variant)) return 1;
    printf("%s: %d products of tiles of each type\n", variant->name, ROUNDS);
  }
  return 0;
}
