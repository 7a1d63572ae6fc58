#include "fused_variants.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "squares_orders_avx512.h"

// Of two equal operands, and of two of which one is NaN, max and min return the second.
#define NAME(x) fused_avx512_float_##x
typedef momentum_fused_loop_float fused_avx512_float_loop;
typedef momentum_speculative_loop_float fused_avx512_float_speculative_loop;
typedef momentum_finish_squares_of_float fused_avx512_float_finish_squares;
typedef momentum_clamping_loop_float fused_avx512_float_clamping_loop;
#define DIFFERING(x, y) \
  __builtin_popcount(_mm512_cmpneq_epi32_mask(_mm512_castps_si512(x), _mm512_castps_si512(y)))
#define SUMMING_HASWELL 2
#define SUMMING_SKYLAKEX 4
#define FOLD_HASWELL(s) haswell_float(s)
#define FOLD_SKYLAKEX(s) skylakex_float(s, NULL, 0)
#define TARGET __attribute__((target("avx512f,popcnt")))
#define SCALAR float
#define VECTOR __m512
#define WIDTH 16
#define LOAD(p) _mm512_loadu_ps(p)
#define STORE(p, x) _mm512_storeu_ps(p, x)
#define MASK __mmask16
#define ALL (__mmask16)-1
#define FIRST(n) (__mmask16)((1u << (n)) - 1)
#define LOAD_PART(p, mask) _mm512_maskz_loadu_ps(mask, p)
#define STORE_PART(p, x, mask) _mm512_mask_storeu_ps(p, mask, x)
#define SET1(x) _mm512_set1_ps(x)
#define ADD(a, b) _mm512_add_ps(a, b)
#define MUL(a, b) _mm512_mul_ps(a, b)
#define DIV(a, b) _mm512_div_ps(a, b)
#define SQRT(a) _mm512_sqrt_ps(a)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define RAISE(x, lower) _mm512_max_ps(lower, x)
#define LOWER(x, upper) _mm512_min_ps(upper, x)
#define FINITE(x)                                                                                      \
  _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(_mm512_abs_ps(x), _mm512_set1_ps(FLT_MAX), _CMP_LE_OQ), x)
// 0, then 1 above it and -1 below it, then x where it is NaN.
#define SIGN(x)                                                                                                    \
  _mm512_mask_mov_ps(                                                                                              \
      _mm512_mask_mov_ps(                                                                                          \
          _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ), _mm512_set1_ps(1)),          \
          _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ), _mm512_set1_ps(-1)),                             \
      _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x)
#include "fused_template.h"

#define NAME(x) fused_avx512_double_##x
typedef momentum_fused_loop_double fused_avx512_double_loop;
typedef momentum_speculative_loop_double fused_avx512_double_speculative_loop;
typedef momentum_finish_squares_of_double fused_avx512_double_finish_squares;
typedef momentum_clamping_loop_double fused_avx512_double_clamping_loop;
#define DIFFERING(x, y) \
  __builtin_popcount(_mm512_cmpneq_epi64_mask(_mm512_castpd_si512(x), _mm512_castpd_si512(y)))
#define SUMMING_HASWELL 2
#define SUMMING_SKYLAKEX 4
#define FOLD_HASWELL(s) haswell_double(s)
#define FOLD_SKYLAKEX(s) skylakex_double(s, NULL, 0)
#define TARGET __attribute__((target("avx512f,popcnt")))
#define SCALAR double
#define VECTOR __m512d
#define WIDTH 8
#define LOAD(p) _mm512_loadu_pd(p)
#define STORE(p, x) _mm512_storeu_pd(p, x)
#define MASK __mmask8
#define ALL (__mmask8)-1
#define FIRST(n) (__mmask8)((1u << (n)) - 1)
#define LOAD_PART(p, mask) _mm512_maskz_loadu_pd(mask, p)
#define STORE_PART(p, x, mask) _mm512_mask_storeu_pd(p, mask, x)
#define SET1(x) _mm512_set1_pd(x)
#define ADD(a, b) _mm512_add_pd(a, b)
#define MUL(a, b) _mm512_mul_pd(a, b)
#define DIV(a, b) _mm512_div_pd(a, b)
#define SQRT(a) _mm512_sqrt_pd(a)
#define FMA(a, b, c) _mm512_fmadd_pd(a, b, c)
#define RAISE(x, lower) _mm512_max_pd(lower, x)
#define LOWER(x, upper) _mm512_min_pd(upper, x)
#define FINITE(x)                                                                                      \
  _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(_mm512_abs_pd(x), _mm512_set1_pd(DBL_MAX), _CMP_LE_OQ), x)
#define SIGN(x)                                                                                                    \
  _mm512_mask_mov_pd(                                                                                              \
      _mm512_mask_mov_pd(                                                                                          \
          _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(x, _mm512_setzero_pd(), _CMP_GT_OQ), _mm512_set1_pd(1)),          \
          _mm512_cmp_pd_mask(x, _mm512_setzero_pd(), _CMP_LT_OQ), _mm512_set1_pd(-1)),                             \
      _mm512_cmp_pd_mask(x, x, _CMP_UNORD_Q), x)
#include "fused_template.h"

#endif
