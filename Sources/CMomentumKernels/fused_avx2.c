#include "fused_variants.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "squares_orders.h"

// Ones before zeros: a mask of the first n lanes begins n lanes before the zeros.
static const int32_t first_floats[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
static const int64_t first_doubles[8] = {-1, -1, -1, -1};

// Of two equal operands, and of two of which one is NaN, max and min return the second.
#define NAME(x) fused_avx2_float_##x
typedef momentum_fused_loop_float fused_avx2_float_loop;
typedef momentum_speculative_loop_float fused_avx2_float_speculative_loop;
typedef momentum_finish_squares_of_float fused_avx2_float_finish_squares;
typedef momentum_clamping_loop_float fused_avx2_float_clamping_loop;
#define DIFFERING(x, y) \
  (WIDTH - __builtin_popcount((unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_castps_si256(x), _mm256_castps_si256(y))))))
#define SUMMING_HASWELL 4
#define FOLD_HASWELL(s) haswell_fold_float(s[0], s[1], s[2], s[3])
#define TARGET __attribute__((target("avx2,fma,popcnt")))
#define SCALAR float
#define VECTOR __m256
#define WIDTH 8
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, x) _mm256_storeu_ps(p, x)
#define MASK __m256i
#define ALL _mm256_set1_epi64x(-1)
#define FIRST(n) _mm256_loadu_si256((const __m256i *)(first_floats + WIDTH - (n)))
#define LOAD_PART(p, mask) _mm256_maskload_ps(p, mask)
#define STORE_PART(p, x, mask) _mm256_maskstore_ps(p, mask, x)
#define SET1(x) _mm256_set1_ps(x)
#define ADD(a, b) _mm256_add_ps(a, b)
#define MUL(a, b) _mm256_mul_ps(a, b)
#define DIV(a, b) _mm256_div_ps(a, b)
#define SQRT(a) _mm256_sqrt_ps(a)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define RAISE(x, lower) _mm256_max_ps(lower, x)
#define LOWER(x, upper) _mm256_min_ps(upper, x)
#define FINITE(x)                                                                                      \
  _mm256_and_ps(x, _mm256_cmp_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), x), _mm256_set1_ps(FLT_MAX), _CMP_LE_OQ))
// One with the sign of x where x is not 0; x where it is NaN.
#define SIGN(x)                                                                                                    \
  _mm256_blendv_ps(                                                                                                \
      _mm256_and_ps(                                                                                               \
          _mm256_or_ps(_mm256_and_ps(x, _mm256_set1_ps(-0.0f)), _mm256_set1_ps(1)),                                \
          _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NEQ_OQ)),                                                     \
      x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q))
#include "fused_template.h"

#define NAME(x) fused_avx2_double_##x
typedef momentum_fused_loop_double fused_avx2_double_loop;
typedef momentum_speculative_loop_double fused_avx2_double_speculative_loop;
typedef momentum_finish_squares_of_double fused_avx2_double_finish_squares;
typedef momentum_clamping_loop_double fused_avx2_double_clamping_loop;
#define DIFFERING(x, y) \
  (WIDTH - __builtin_popcount((unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(_mm256_castpd_si256(x), _mm256_castpd_si256(y))))))
#define SUMMING_HASWELL 4
#define FOLD_HASWELL(s) haswell_fold_double(s[0], s[1], s[2], s[3])
#define TARGET __attribute__((target("avx2,fma,popcnt")))
#define SCALAR double
#define VECTOR __m256d
#define WIDTH 4
#define LOAD(p) _mm256_loadu_pd(p)
#define STORE(p, x) _mm256_storeu_pd(p, x)
#define MASK __m256i
#define ALL _mm256_set1_epi64x(-1)
#define FIRST(n) _mm256_loadu_si256((const __m256i *)(first_doubles + WIDTH - (n)))
#define LOAD_PART(p, mask) _mm256_maskload_pd(p, mask)
#define STORE_PART(p, x, mask) _mm256_maskstore_pd(p, mask, x)
#define SET1(x) _mm256_set1_pd(x)
#define ADD(a, b) _mm256_add_pd(a, b)
#define MUL(a, b) _mm256_mul_pd(a, b)
#define DIV(a, b) _mm256_div_pd(a, b)
#define SQRT(a) _mm256_sqrt_pd(a)
#define FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#define RAISE(x, lower) _mm256_max_pd(lower, x)
#define LOWER(x, upper) _mm256_min_pd(upper, x)
#define FINITE(x)                                                                                      \
  _mm256_and_pd(x, _mm256_cmp_pd(_mm256_andnot_pd(_mm256_set1_pd(-0.0), x), _mm256_set1_pd(DBL_MAX), _CMP_LE_OQ))
#define SIGN(x)                                                                                                    \
  _mm256_blendv_pd(                                                                                                \
      _mm256_and_pd(                                                                                               \
          _mm256_or_pd(_mm256_and_pd(x, _mm256_set1_pd(-0.0)), _mm256_set1_pd(1)),                                 \
          _mm256_cmp_pd(x, _mm256_setzero_pd(), _CMP_NEQ_OQ)),                                                     \
      x, _mm256_cmp_pd(x, x, _CMP_UNORD_Q))
#include "fused_template.h"

#endif
