#ifndef MOMENTUM_SQUARES_ORDERS_AVX512_H
#define MOMENTUM_SQUARES_ORDERS_AVX512_H

// The orders of squares_orders.h for sums that are kept in vectors of 512 bits: two, whose halves are the four of Haswell, or four.

#include "squares_orders.h"

#define ORDER __attribute__((target("avx512f,avx2,fma"))) static inline __attribute__((always_inline))

ORDER __m256 low_float(__m512 x) { return _mm512_castps512_ps256(x); }

ORDER __m256 high_float(__m512 x) {
  return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x), 1));
}

ORDER __m256d low_double(__m512d x) { return _mm512_castpd512_pd256(x); }

ORDER __m256d high_double(__m512d x) { return _mm512_extractf64x4_pd(x, 1); }

ORDER float haswell_float(const __m512 *sums) {
  return haswell_fold_float(low_float(sums[0]), high_float(sums[0]), low_float(sums[1]), high_float(sums[1]));
}

ORDER double haswell_double(const __m512d *sums) {
  return haswell_fold_double(low_double(sums[0]), high_double(sums[0]), low_double(sums[1]), high_double(sums[1]));
}

// With the first half of a block, if there is one among the n last elements.
ORDER float skylakex_float(const __m512 *sums, const float *x, ptrdiff_t n) {
  __m256 half[4];
#pragma clang loop unroll(full)
  for (int k = 0; k < 4; k++) {
    half[k] = _mm256_add_ps(low_float(sums[k]), high_float(sums[k]));
    if (n >= 32) {
      const __m256 y = _mm256_loadu_ps(x + 8 * k);
      half[k] = _mm256_fmadd_ps(y, y, half[k]);
    }
  }
  return skylakex_fold_float(half[0], half[1], half[2], half[3]);
}

ORDER double skylakex_double(const __m512d *sums, const double *x, ptrdiff_t n) {
  __m256d half[4];
#pragma clang loop unroll(full)
  for (int k = 0; k < 4; k++) {
    half[k] = _mm256_add_pd(low_double(sums[k]), high_double(sums[k]));
    if (n >= 16) {
      const __m256d y = _mm256_loadu_pd(x + 4 * k);
      half[k] = _mm256_fmadd_pd(y, y, half[k]);
    }
  }
  return skylakex_fold_double(half[0], half[1], half[2], half[3]);
}

#undef ORDER

#endif
