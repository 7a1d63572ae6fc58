// The order of OpenBLAS's kernels for Haswell and Zen: four vectors, whose halves are added first, then each two of them, then
// neighbours. What fills no block of four vectors is added element by element, of floats in double: the sum of these is then added.
#include "squares_variants.h"

#if defined(__x86_64__)

#include <immintrin.h>

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

#define NAME(x) squares_avx2_float_##x
#define SCALAR float
#define VECTOR __m256
#define WIDTH 8
#define LOAD(p) _mm256_loadu_ps(p)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define ZERO _mm256_setzero_ps()
#define FOLD(a, b, c, d) fold_float(a, b, c, d)
#define END(sum, x, n) end_float(sum, x, n)
#include "squares_template.h"

#define NAME(x) squares_avx2_double_##x
#define SCALAR double
#define VECTOR __m256d
#define WIDTH 4
#define LOAD(p) _mm256_loadu_pd(p)
#define FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#define ZERO _mm256_setzero_pd()
#define FOLD(a, b, c, d) fold_double(a, b, c, d)
#define END(sum, x, n) end_double(sum, x, n)
#include "squares_template.h"

#define NAME(x) squares_avx2_fused_double_##x
#define SCALAR double
#define VECTOR __m256d
#define WIDTH 4
#define LOAD(p) _mm256_loadu_pd(p)
#define FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#define ZERO _mm256_setzero_pd()
#define FOLD(a, b, c, d) fold_double(a, b, c, d)
#define END(sum, x, n) end_double_fused(sum, x, n)
#include "squares_template.h"

#undef TARGET

#endif
