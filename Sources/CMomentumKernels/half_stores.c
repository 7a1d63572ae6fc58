// Plain loops, compiled once for each width of vectors, as in half_loops.c. Integer operations, comparisons and exact
// arithmetic alone: every variant gives the same bits.
#include "half_stores.h"

#include "half_numbers.h"

enum {
  // The elements of one block of random numbers, and the blocks that are made at a time.
  BLOCK = 8,
  LANES = 8,
  GROUP = BLOCK * LANES,
};

// Ten rounds on the counters of some blocks at once; the counters become the numbers.
static inline __attribute__((always_inline)) void philox(uint32_t c[4][LANES], uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; round++) {
    for (int lane = 0; lane < LANES; lane++) {
      uint64_t first = (uint64_t)0xD2511F53 * c[0][lane], second = (uint64_t)0xCD9E8D57 * c[2][lane];
      uint32_t c1 = c[1][lane], c3 = c[3][lane];
      c[0][lane] = (uint32_t)(second >> 32) ^ c1 ^ key0;
      c[1][lane] = (uint32_t)second;
      c[2][lane] = (uint32_t)(first >> 32) ^ c3 ^ key1;
      c[3][lane] = (uint32_t)first;
    }
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
}

void momentum_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t words[4]) {
  uint32_t c[4][LANES];
  for (int word = 0; word < 4; word++) {
    for (int lane = 0; lane < LANES; lane++) { c[word][lane] = counter[word]; }
  }
  philox(c, key[0], key[1]);
  for (int word = 0; word < 4; word++) { words[word] = c[word][0]; }
}

// The 16 bits of each element of a group of blocks.
static inline __attribute__((always_inline)) void random_bits(
    uint16_t bits[GROUP], uint64_t block, momentum_random_place place) {
  uint32_t c[4][LANES];
  for (int lane = 0; lane < LANES; lane++) {
    c[0][lane] = (uint32_t)(block + (uint64_t)lane);
    c[1][lane] = (uint32_t)((block + (uint64_t)lane) >> 32) | place.stream << 28;
    c[2][lane] = (uint32_t)place.step;
    c[3][lane] = (uint32_t)(place.step >> 32);
  }
  philox(c, (uint32_t)place.key, (uint32_t)(place.key >> 32));
  for (int lane = 0; lane < LANES; lane++) {
    for (int word = 0; word < 4; word++) {
      bits[lane * BLOCK + 2 * word] = (uint16_t)c[word][lane];
      bits[lane * BLOCK + 2 * word + 1] = (uint16_t)(c[word][lane] >> 16);
    }
  }
}

static inline __attribute__((always_inline)) uint16_t stochastic_bfloat16_of(float value, uint16_t random) {
  uint32_t bits = bits_of(value), magnitude = bits & 0x7fffffff;
  // From the largest number on, infinities and NaN among them, chance has no say.
  return magnitude >= 0x7f7f0000 ? bfloat16_of(value) : (uint16_t)((bits + random) >> 16);
}

#define STORES(target, suffix)                                                                                         \
  target static void join_float_##suffix(const uint16_t *x, const int16_t *remainder, float *y, ptrdiff_t n) {          \
    ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) {                                                                     \
      y[i] = number_of(((uint32_t)x[i] << 16) + (uint32_t)(int32_t)remainder[i]);                                       \
    }                                                                                                                   \
  }                                                                                                                     \
  target static void split_float_##suffix(const float *x, uint16_t *y, int16_t *remainder, ptrdiff_t n) {               \
    ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) {                                                                     \
      uint32_t bits = bits_of(x[i]), is_nan = (bits & 0x7fffffff) > 0x7f800000;                                         \
      y[i] = (uint16_t)(is_nan ? 0x7fc0 : (bits + 0x8000) >> 16);                                                       \
      remainder[i] = (int16_t)(is_nan ? 0 : bits & 0xffff);                                                             \
    }                                                                                                                   \
  }                                                                                                                     \
  target static ptrdiff_t store_bfloat16_##suffix(const float *x, uint16_t *y, ptrdiff_t n) {                           \
    int32_t lost = 0;                                                                                                   \
    ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) {                                                                     \
      uint16_t before = y[i], after = bfloat16_of(x[i]);                                                                \
      float stored = number_of((uint32_t)before << 16);                                                                 \
      lost += (before == after) & ((x[i] < stored) | (x[i] > stored));                                                  \
      y[i] = after;                                                                                                     \
    }                                                                                                                   \
    return lost;                                                                                                        \
  }                                                                                                                     \
  target static void store_stochastic_bfloat16_##suffix(                                                                \
      const float *x, uint16_t *y, ptrdiff_t n, momentum_random_place place, uint64_t index) {                          \
    uint16_t random[GROUP];                                                                                             \
    ptrdiff_t i = 0;                                                                                                    \
    while (i < n) {                                                                                                     \
      /* Where the element lies in its group of blocks, and how many of the group's elements follow. */                 \
      ptrdiff_t first = (ptrdiff_t)((index + (uint64_t)i) % GROUP), count = GROUP - first;                              \
      if (count > n - i) { count = n - i; }                                                                             \
      random_bits(random, (index + (uint64_t)i) / GROUP * LANES, place);                                                \
      ELEMENTWISE for (ptrdiff_t j = 0; j < count; j++) {                                                               \
        y[i + j] = stochastic_bfloat16_of(x[i + j], random[first + j]);                                                 \
      }                                                                                                                 \
      i += count;                                                                                                       \
    }                                                                                                                   \
  }

#define VARIANT(name, suffix)                                                                                \
  {                                                                                                          \
    name, join_float_##suffix, split_float_##suffix, store_bfloat16_##suffix,        \
        store_stochastic_bfloat16_##suffix                                                                   \
  }

STORES(, portable)

#if defined(__x86_64__)
STORES(__attribute__((target("avx2"))), avx2)
STORES(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), avx512)

static const momentum_half_stores variants[] = {
    VARIANT("portable", portable), VARIANT("AVX2", avx2), VARIANT("AVX-512", avx512)};

static int variant_count(void) {
  if (!__builtin_cpu_supports("avx2")) { return 1; }
  int has_wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return has_wide ? 3 : 2;
}
#else
static const momentum_half_stores variants[] = {VARIANT("portable", portable)};

static int variant_count(void) { return 1; }
#endif

const momentum_half_stores *momentum_half_stores_variant(int position) {
  return position >= 0 && position < variant_count() ? &variants[position] : NULL;
}

// The widest variant.
static inline const momentum_half_stores *stores(void) { return &variants[variant_count() - 1]; }

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
