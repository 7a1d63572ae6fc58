#ifndef MOMENTUM_SQUARES_ORDERS_H
#define MOMENTUM_SQUARES_ORDERS_H

// The order in which kernels of OpenBLAS for x86-64 add what their blocks have been added to, and the last elements of a call.
//
// What fills no block is added element by element, of floats in double: the sum of these is then added.

#include <immintrin.h>
#include <stddef.h>

#pragma STDC FP_CONTRACT OFF

#define ORDER __attribute__((target("avx2,fma"))) static inline __attribute__((always_inline))

ORDER __m128 halves_float(__m256 x) { return _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1)); }

ORDER __m128d halves_double(__m256d x) { return _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1)); }

// Two neighbours first.
ORDER float neighbours_float(__m128 x) {
  const __m128 two = _mm_hadd_ps(x, x);
  return _mm_cvtss_f32(_mm_hadd_ps(two, two));
}

ORDER double neighbours_double(__m128d x) { return _mm_cvtsd_f64(_mm_hadd_pd(x, x)); }

// Haswell and Zen: the halves of four vectors, then each two of them.
ORDER float haswell_fold_float(__m256 a, __m256 b, __m256 c, __m256 d) {
  return neighbours_float(
      _mm_add_ps(_mm_add_ps(halves_float(a), halves_float(b)), _mm_add_ps(halves_float(c), halves_float(d))));
}

ORDER double haswell_fold_double(__m256d a, __m256d b, __m256d c, __m256d d) {
  return neighbours_double(
      _mm_add_pd(_mm_add_pd(halves_double(a), halves_double(b)), _mm_add_pd(halves_double(c), halves_double(d))));
}

// SkylakeX, from the halves of its vectors on: one vector after the other, then halves.
ORDER float skylakex_fold_float(__m256 a, __m256 b, __m256 c, __m256 d) {
  return neighbours_float(halves_float(_mm256_add_ps(_mm256_add_ps(_mm256_add_ps(a, b), c), d)));
}

ORDER double skylakex_fold_double(__m256d a, __m256d b, __m256d c, __m256d d) {
  return neighbours_double(halves_double(_mm256_add_pd(_mm256_add_pd(_mm256_add_pd(a, b), c), d)));
}

ORDER float rest_float(float sum, const float *x, ptrdiff_t n) {
  double rest = 0;
  for (ptrdiff_t i = 0; i < n; i++) {
    const float square = x[i] * x[i];
    rest += (double)square;
  }
  return (float)(rest + (double)sum);
}

ORDER double rest_double(double sum, const double *x, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) {
    const double square = x[i] * x[i];
    sum += square;
  }
  return sum;
}

// By a kernel that was compiled for fused multiply-add.
ORDER double rest_fused_double(double sum, const double *x, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) sum = __builtin_fma(x[i], x[i], sum);
  return sum;
}

#undef ORDER

#endif
