// The order of OpenBLAS's kernels for Haswell and Zen: four vectors, whose halves are added first, then each two of them, then
// neighbours. What fills no block of four vectors is added element by element, of floats in double: the sum of these is then added.
#include "squares_variants.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>

#pragma STDC FP_CONTRACT OFF

#define TARGET __attribute__((target("avx2,fma")))

TARGET static inline __attribute__((always_inline)) __m128 halves_float(__m256 x) {
  return _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
}

TARGET static inline __attribute__((always_inline)) float fold_float(__m256 a, __m256 b, __m256 c, __m256 d) {
  const __m128 four =
      _mm_add_ps(_mm_add_ps(halves_float(a), halves_float(b)), _mm_add_ps(halves_float(c), halves_float(d)));
  const __m128 two = _mm_hadd_ps(four, four);
  return _mm_cvtss_f32(_mm_hadd_ps(two, two));
}

TARGET static inline __attribute__((always_inline)) float end_float(float sum, const float *x, ptrdiff_t n) {
  double rest = 0;
  for (ptrdiff_t i = 0; i < n; i++) {
    const float square = x[i] * x[i];
    rest += (double)square;
  }
  return (float)(rest + (double)sum);
}

TARGET static inline __attribute__((always_inline)) __m128d halves_double(__m256d x) {
  return _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
}

TARGET static inline __attribute__((always_inline)) double fold_double(__m256d a, __m256d b, __m256d c, __m256d d) {
  const __m128d two =
      _mm_add_pd(_mm_add_pd(halves_double(a), halves_double(b)), _mm_add_pd(halves_double(c), halves_double(d)));
  return _mm_cvtsd_f64(_mm_hadd_pd(two, two));
}

TARGET static inline __attribute__((always_inline)) double end_double(double sum, const double *x, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) {
    const double square = x[i] * x[i];
    sum += square;
  }
  return sum;
}

TARGET static inline __attribute__((always_inline)) double end_double_fused(double sum, const double *x, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) sum = __builtin_fma(x[i], x[i], sum);
  return sum;
}

TARGET static inline __attribute__((always_inline)) ptrdiff_t total_float(__m256i counts) {
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(counts), _mm256_extracti128_si256(counts, 1));
  const __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
  return _mm_extract_epi32(two, 0) + _mm_extract_epi32(two, 1);
}

TARGET static inline __attribute__((always_inline)) ptrdiff_t total_double(__m256i counts) {
  const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(counts), _mm256_extracti128_si256(counts, 1));
  return (ptrdiff_t)(_mm_extract_epi64(two, 0) + _mm_extract_epi64(two, 1));
}

#define COUNTS __m256i
#define NO_COUNTS _mm256_setzero_si256()

#define SCALAR float
#define VECTOR __m256
#define WIDTH 8
#define LOAD(p) _mm256_loadu_ps(p)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define ZERO _mm256_setzero_ps()
#define SET1(a) _mm256_set1_ps(a)
#define MIN(a, b) _mm256_min_ps(a, b)
#define MAX(a, b) _mm256_max_ps(a, b)
#define COUNT(counts, x, y) \
  _mm256_sub_epi32(counts, _mm256_cmpeq_epi32(_mm256_castps_si256(x), _mm256_castps_si256(y)))
#define TOTAL(counts) total_float(counts)
#define MAGNITUDE(x) _mm256_and_ps(x, _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff)))
// Magnitudes compare as integers do, and integers have more units.
#define LEAST(a, b) _mm256_castsi256_ps(_mm256_min_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)))
#define FOLD(a, b, c, d) fold_float(a, b, c, d)

#define NAME(x) squares_avx2_float_##x
#define END(sum, x, n) end_float(sum, x, n)
#include "squares_template.h"

#undef SCALAR
#undef VECTOR
#undef WIDTH
#undef LOAD
#undef FMA
#undef ZERO
#undef SET1
#undef MIN
#undef MAX
#undef COUNT
#undef TOTAL
#undef MAGNITUDE
#undef LEAST
#undef FOLD

#define SCALAR double
#define VECTOR __m256d
#define WIDTH 4
#define LOAD(p) _mm256_loadu_pd(p)
#define FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#define ZERO _mm256_setzero_pd()
#define SET1(a) _mm256_set1_pd(a)
#define MIN(a, b) _mm256_min_pd(a, b)
#define MAX(a, b) _mm256_max_pd(a, b)
#define COUNT(counts, x, y) \
  _mm256_sub_epi64(counts, _mm256_cmpeq_epi64(_mm256_castpd_si256(x), _mm256_castpd_si256(y)))
#define TOTAL(counts) total_double(counts)
#define MAGNITUDE(x) _mm256_and_pd(x, _mm256_castsi256_pd(_mm256_set1_epi64x(INT64_MAX)))
#define LEAST(a, b) _mm256_min_pd(a, b)
#define FOLD(a, b, c, d) fold_double(a, b, c, d)

#define NAME(x) squares_avx2_double_##x
#define END(sum, x, n) end_double(sum, x, n)
#include "squares_template.h"

#define NAME(x) squares_avx2_fused_double_##x
#define END(sum, x, n) end_double_fused(sum, x, n)
#include "squares_template.h"

#endif
