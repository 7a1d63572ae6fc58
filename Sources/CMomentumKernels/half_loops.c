// Conversions of 16-bit numbers, compiled once for each width of vectors and chosen at run time, as element_loops.c does.
//
// Every variant gives the same bits. The instruction of AVX-512 that narrows to bfloat16 takes subnormal numbers for 0 and is
// used nowhere.
#include "half_loops.h"

#include <float.h>

#include "half_numbers.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define BFLOAT16_LOOPS(target, suffix)                                                               \
  target static void widen_bfloat16_##suffix(const uint16_t *x, float *y, ptrdiff_t n) {             \
    ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) { y[i] = number_of((uint32_t)x[i] << 16); }         \
  }                                                                                                  \
  target static void narrow_bfloat16_##suffix(const float *x, uint16_t *y, ptrdiff_t n) {            \
    ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) { y[i] = bfloat16_of(x[i]); }                      \
  }

#define PORTABLE_FLOAT16_LOOPS(target, suffix)                                                       \
  target static void widen_float16_##suffix(const uint16_t *x, float *y, ptrdiff_t n) {              \
    ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) { y[i] = float_of_float16(x[i]); }                 \
  }                                                                                                  \
  target static void narrow_float16_##suffix(const float *x, uint16_t *y, ptrdiff_t n) {             \
    ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) { y[i] = float16_of(x[i]); }                       \
  }

typedef uint32_t eight_words __attribute__((vector_size(32)));
typedef float eight_floats __attribute__((vector_size(32)));
typedef double eight_doubles __attribute__((vector_size(64)));

// The next sixteen numbers in two vectors: of binary16 one half after the other, of bfloat16 those at even and those at odd places,
// which takes one instruction each.
#define SIXTEEN(target, type, suffix) \
  target static inline __attribute__((always_inline)) void sixteen_##type##_##suffix(const uint16_t *x, eight_floats *y)

#define SIXTEEN_BFLOAT16(target, suffix)       \
  SIXTEEN(target, bfloat16, suffix) {          \
    eight_words pairs;                         \
    memcpy(&pairs, x, sizeof pairs);           \
    y[0] = (eight_floats)(pairs << 16);        \
    y[1] = (eight_floats)(pairs & 0xffff0000); \
  }

#define PORTABLE_SIXTEEN_FLOAT16(target, suffix)                                   \
  SIXTEEN(target, float16, suffix) {                                               \
    float wide[16];                                                                \
    ELEMENTWISE for (int j = 0; j < 16; j++) { wide[j] = float_of_float16(x[j]); } \
    memcpy(y, wide, sizeof wide);                                                  \
  }

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the number at the even place is the lower half of a pair");

// The eight lanes of numbers that follow one another, of lanes in the order of the vectors above.
#define FIRST_bfloat16(x, y) __builtin_shufflevector(x, y, 0, 8, 1, 9, 2, 10, 3, 11)
#define SECOND_bfloat16(x, y) __builtin_shufflevector(x, y, 4, 12, 5, 13, 6, 14, 7, 15)
#define FIRST_float16(x, y) (x)
#define SECOND_float16(x, y) (y)

// Sums of squares in double on the 32 lanes of the portable norm, in its order: element i goes to lane i mod 32. They are vectors, not
// an array: the compiler leaves an array in memory, where every addition waits for the one before to be stored. By fused
// multiply-add, which would give the same bits, and with two tiles side by side they take as long: what they wait for is the widening to
// double.
#define ADD_SQUARES(type, suffix, lanes, x)                                  \
  _Pragma("clang loop unroll(full)") for (int j = 0; j < 4; j += 2) {        \
    eight_floats wide[2];                                                    \
    sixteen_##type##_##suffix((x) + 8 * j, wide);                            \
    const eight_doubles y = __builtin_convertvector(wide[0], eight_doubles); \
    const eight_doubles z = __builtin_convertvector(wide[1], eight_doubles); \
    lanes[j] += y * y;                                                       \
    lanes[j + 1] += z * z;                                                   \
  }

#define SQUARES(target, type, suffix)                                                                \
  target static double squares_##type##_##suffix(const uint16_t *x, ptrdiff_t n) {                   \
    eight_doubles lanes[4] = {{0}, {0}, {0}, {0}};                                                   \
    ptrdiff_t i = 0;                                                                                 \
    for (; i + 32 <= n; i += 32) { ADD_SQUARES(type, suffix, lanes, x + i) }                         \
    if (i < n) {                                                                                     \
      uint16_t rest[32] = {0};                                                                       \
      memcpy(rest, x + i, (size_t)(n - i) * sizeof *rest);                                           \
      ADD_SQUARES(type, suffix, lanes, rest)                                                         \
    }                                                                                                \
    const eight_doubles half = FIRST_##type(lanes[0], lanes[1]) + SECOND_##type(lanes[0], lanes[1]); \
    const eight_doubles rest = FIRST_##type(lanes[2], lanes[3]) + SECOND_##type(lanes[2], lanes[3]); \
    const eight_doubles eight = half + rest;                                                         \
    const double first = (eight[0] + eight[4]) + (eight[2] + eight[6]);                              \
    const double second = (eight[1] + eight[5]) + (eight[3] + eight[7]);                             \
    return first + second;                                                                           \
  }

#define SQUARES_OF_BOTH_TYPES(target, suffix) \
  SQUARES(target, bfloat16, suffix)           \
  SQUARES(target, float16, suffix)

#define VARIANT(name, suffix) \
  {name, widen_bfloat16_##suffix, narrow_bfloat16_##suffix, widen_float16_##suffix, narrow_float16_##suffix, \
   squares_bfloat16_##suffix, squares_float16_##suffix}

BFLOAT16_LOOPS(, portable)
PORTABLE_FLOAT16_LOOPS(, portable)
SIXTEEN_BFLOAT16(, portable)
PORTABLE_SIXTEEN_FLOAT16(, portable)
SQUARES_OF_BOTH_TYPES(, portable)

#if defined(__x86_64__)

#define AVX2 __attribute__((target("avx2")))
#define AVX2_F16C __attribute__((target("avx2,f16c")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,f16c")))

BFLOAT16_LOOPS(AVX2, avx2)
PORTABLE_FLOAT16_LOOPS(AVX2, avx2)
SIXTEEN_BFLOAT16(AVX2, avx2)
PORTABLE_SIXTEEN_FLOAT16(AVX2, avx2)
SQUARES_OF_BOTH_TYPES(AVX2, avx2)

BFLOAT16_LOOPS(AVX2_F16C, f16c)

AVX2_F16C static void widen_float16_f16c(const uint16_t *x, float *y, ptrdiff_t n) {
  ptrdiff_t i = 0;
  for (; i + 8 <= n; i += 8) { _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + i)))); }
  for (; i < n; i++) { y[i] = _cvtsh_ss(x[i]); }
}

AVX2_F16C static void narrow_float16_f16c(const float *x, uint16_t *y, ptrdiff_t n) {
  ptrdiff_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm_storeu_si128((__m128i *)(y + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
  }
  for (; i < n; i++) { y[i] = _cvtss_sh(x[i], _MM_FROUND_TO_NEAREST_INT); }
}

SIXTEEN_BFLOAT16(AVX2_F16C, f16c)

SIXTEEN(AVX2_F16C, float16, f16c) {
  y[0] = (eight_floats)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)x));
  y[1] = (eight_floats)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + 8)));
}

SQUARES_OF_BOTH_TYPES(AVX2_F16C, f16c)

BFLOAT16_LOOPS(AVX512, avx512)

AVX512 static void widen_float16_avx512(const uint16_t *x, float *y, ptrdiff_t n) {
  ptrdiff_t i = 0;
  for (; i + 16 <= n; i += 16) { _mm512_storeu_ps(y + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(x + i)))); }
  for (; i < n; i++) { y[i] = _cvtsh_ss(x[i]); }
}

AVX512 static void narrow_float16_avx512(const float *x, uint16_t *y, ptrdiff_t n) {
  ptrdiff_t i = 0;
  for (; i + 16 <= n; i += 16) {
    _mm256_storeu_si256((__m256i *)(y + i), _mm512_cvtps_ph(_mm512_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
  }
  for (; i < n; i++) { y[i] = _cvtss_sh(x[i], _MM_FROUND_TO_NEAREST_INT); }
}

SIXTEEN_BFLOAT16(AVX512, avx512)

SIXTEEN(AVX512, float16, avx512) {
  y[0] = (eight_floats)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)x));
  y[1] = (eight_floats)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + 8)));
}

SQUARES_OF_BOTH_TYPES(AVX512, avx512)

static const momentum_half_loops variants[] = {
    VARIANT("portable", portable), VARIANT("AVX2", avx2), VARIANT("AVX2 with F16C", f16c), VARIANT("AVX-512", avx512)};

// The processors of one variant run all that come before it.
static int variant_count(void) {
  if (!__builtin_cpu_supports("avx2")) { return 1; }
  if (!__builtin_cpu_supports("f16c")) { return 2; }
  int has_wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return has_wide ? 4 : 3;
}

#elif defined(__aarch64__)

// Every such processor converts binary16, four numbers at a time.
typedef __fp16 half __attribute__((may_alias));

BFLOAT16_LOOPS(, neon)

static void widen_float16_neon(const uint16_t *x, float *y, ptrdiff_t n) {
  const half *from = (const half *)x;
  ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) { y[i] = from[i]; }
}

static void narrow_float16_neon(const float *x, uint16_t *y, ptrdiff_t n) {
  half *to = (half *)y;
  ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) { to[i] = x[i]; }
}

SIXTEEN_BFLOAT16(, neon)

SIXTEEN(, float16, neon) {
  typedef __fp16 eight_float16 __attribute__((vector_size(16)));
  eight_float16 halves[2];
  memcpy(halves, x, sizeof halves);
  y[0] = __builtin_convertvector(halves[0], eight_floats);
  y[1] = __builtin_convertvector(halves[1], eight_floats);
}

SQUARES_OF_BOTH_TYPES(, neon)

static const momentum_half_loops variants[] = {VARIANT("portable", portable), VARIANT("NEON", neon)};

static int variant_count(void) { return 2; }

#else

static const momentum_half_loops variants[] = {VARIANT("portable", portable)};

static int variant_count(void) { return 1; }

#endif

const momentum_half_loops *momentum_half_loops_variant(int position) {
  return position >= 0 && position < variant_count() ? &variants[position] : NULL;
}

// The widest variant.
static inline const momentum_half_loops *loops(void) { return &variants[variant_count() - 1]; }

void momentum_widen_bfloat16(const uint16_t *x, float *y, ptrdiff_t n) { loops()->widen_bfloat16(x, y, n); }

void momentum_narrow_bfloat16(const float *x, uint16_t *y, ptrdiff_t n) { loops()->narrow_bfloat16(x, y, n); }

void momentum_widen_float16(const uint16_t *x, float *y, ptrdiff_t n) { loops()->widen_float16(x, y, n); }

void momentum_narrow_float16(const float *x, uint16_t *y, ptrdiff_t n) { loops()->narrow_float16(x, y, n); }

double momentum_squares_bfloat16(const uint16_t *x, ptrdiff_t n) { return loops()->squares_bfloat16(x, n); }

double momentum_squares_float16(const uint16_t *x, ptrdiff_t n) { return loops()->squares_float16(x, n); }

static inline __attribute__((always_inline)) int overflows(float value, float least) {
  float magnitude = number_of(bits_of(value) & 0x7fffffff);
  return (magnitude >= least) & (magnitude <= FLT_MAX);
}

// Comparisons alone, in vectors of any width.
#define COUNTING(target, suffix)                                                                           \
  target static ptrdiff_t count_overflowing_##suffix(const float *x, float least, ptrdiff_t n) {           \
    int32_t count = 0;                                                                                     \
    ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) { count += overflows(x[i], least); }                     \
    return count;                                                                                          \
  }

COUNTING(, portable)

#if defined(__x86_64__)
COUNTING(AVX2, avx2)

ptrdiff_t momentum_count_overflowing(const float *x, float least, ptrdiff_t n) {
  return __builtin_cpu_supports("avx2") ? count_overflowing_avx2(x, least, n) : count_overflowing_portable(x, least, n);
}
#else
ptrdiff_t momentum_count_overflowing(const float *x, float least, ptrdiff_t n) {
  return count_overflowing_portable(x, least, n);
}
#endif

void momentum_saturate(const float *x, float least, uint16_t *y, ptrdiff_t n) {
  // The bits of the largest number are those before infinity.
  for (ptrdiff_t i = 0; i < n; i++) { y[i] = (uint16_t)(y[i] - overflows(x[i], least)); }
}
