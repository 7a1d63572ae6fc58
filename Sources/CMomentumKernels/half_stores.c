// Plain loops, compiled once for each width of vectors, as in half_loops.c. Integer operations, comparisons and exact
// arithmetic alone: every variant gives the same bits.
#include "half_stores.h"

#include "half_numbers.h"

#define NAME(x) portable_##x
#define TARGET
#define VARIANT "portable"
#define WIDTH 4
#define PAIR_LOW(a, b) __builtin_shufflevector(a, b, 0, 2)
#define PAIR_HIGH(a, b) __builtin_shufflevector(a, b, 1, 3)
#include "half_stores.inc"

#if defined(__x86_64__)
#define NAME(x) avx2_##x
#define TARGET __attribute__((target("avx2")))
#define VARIANT "AVX2"
#define WIDTH 8
#define PAIR_LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 2, 6)
#define PAIR_HIGH(a, b) __builtin_shufflevector(a, b, 1, 5, 3, 7)
#include "half_stores.inc"

#define NAME(x) avx512_##x
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define VARIANT "AVX-512"
#define WIDTH 16
#define PAIR_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14)
#define PAIR_HIGH(a, b) __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15)
#include "half_stores.inc"

static const momentum_half_stores *const variants[] = {&portable_stores, &avx2_stores, &avx512_stores};

static int variant_count(void) {
  if (!__builtin_cpu_supports("avx2")) { return 1; }
  int has_wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return has_wide ? 3 : 2;
}
#else
static const momentum_half_stores *const variants[] = {&portable_stores};

static int variant_count(void) { return 1; }
#endif

void momentum_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t words[4]) {
  const portable_words zero = {0};
  portable_words c[1][4] = {{zero + counter[0], zero + counter[1], zero + counter[2], zero + counter[3]}};
  portable_philox(c, 1, key[0], key[1]);
  for (int word = 0; word < 4; word++) words[word] = c[0][word][0];
}

const momentum_half_stores *momentum_half_stores_variant(int position) {
  return position >= 0 && position < variant_count() ? variants[position] : NULL;
}

// The widest variant.
static inline const momentum_half_stores *stores(void) { return variants[variant_count() - 1]; }

void momentum_join_float(const uint16_t *x, const int16_t *remainder, float *y, ptrdiff_t n) {
  stores()->join_float(x, remainder, y, n);
}

void momentum_split_float(const float *x, uint16_t *y, int16_t *remainder, ptrdiff_t n) {
  stores()->split_float(x, y, remainder, n);
}

ptrdiff_t momentum_store_bfloat16(const float *x, uint16_t *y, ptrdiff_t n) { return stores()->store_bfloat16(x, y, n); }

void momentum_store_stochastic_bfloat16(
    const float *x, uint16_t *y, ptrdiff_t n, momentum_random_place place, uint64_t index) {
  stores()->store_stochastic_bfloat16(x, y, n, place, index);
}

void momentum_store_dithered_bfloat16(const float *x, uint16_t *y, ptrdiff_t n, uint64_t step, uint64_t index) {
  stores()->store_dithered_bfloat16(x, y, n, step, index);
}
