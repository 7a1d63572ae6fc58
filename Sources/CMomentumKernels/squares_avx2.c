// The order of OpenBLAS's kernels for Haswell and Zen: blocks of four vectors.
#include "squares_variants.h"

#if defined(__x86_64__)

#include <stdint.h>

#include "squares_orders.h"

#define TARGET __attribute__((target("avx2,fma")))
#define VECTORS_NAME "AVX2"
// What is longer comes from memory: 4 MiB and more.
#define NEAR (512 * 4 / (ptrdiff_t)sizeof(SCALAR))
// None: not measured.
#define FAR PTRDIFF_MAX
#define FARTHEST PTRDIFF_MAX

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

#define LOOPS squares_loops_float
#define SCALAR float
#define VECTOR __m256
#define WIDTH 8
#define LOAD(p) _mm256_loadu_ps(p)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define SET1(a) _mm256_set1_ps(a)
#define MIN(a, b) _mm256_min_ps(a, b)
#define MAX(a, b) _mm256_max_ps(a, b)
#define COUNT(counts, x, y) \
  _mm256_sub_epi32(counts, _mm256_cmpeq_epi32(_mm256_castps_si256(x), _mm256_castps_si256(y)))
#define TOTAL(counts) total_float(counts)
#define MAGNITUDE(x) _mm256_and_ps(x, _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff)))
// Magnitudes compare as integers do, and integers have more units.
#define LEAST(a, b) _mm256_castsi256_ps(_mm256_min_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)))

#define NAME(x) squares_avx2_haswell_float_##x
#define PROGRAMS(x) fused_avx2_float_haswell_##x
#define VECTORS 4
#define MOST 3
#define END(s, x, n) rest_float(haswell_fold_float(s[0], s[1], s[2], s[3]), x, n)
#include "squares_template.h"

#undef LOOPS
#undef SCALAR
#undef VECTOR
#undef WIDTH
#undef LOAD
#undef FMA
#undef SET1
#undef MIN
#undef MAX
#undef COUNT
#undef TOTAL
#undef MAGNITUDE
#undef LEAST

#define LOOPS squares_loops_double
#define SCALAR double
#define VECTOR __m256d
#define WIDTH 4
#define LOAD(p) _mm256_loadu_pd(p)
#define FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#define SET1(a) _mm256_set1_pd(a)
#define MIN(a, b) _mm256_min_pd(a, b)
#define MAX(a, b) _mm256_max_pd(a, b)
#define COUNT(counts, x, y) \
  _mm256_sub_epi64(counts, _mm256_cmpeq_epi64(_mm256_castpd_si256(x), _mm256_castpd_si256(y)))
#define TOTAL(counts) total_double(counts)
#define MAGNITUDE(x) _mm256_and_pd(x, _mm256_castsi256_pd(_mm256_set1_epi64x(INT64_MAX)))
#define LEAST(a, b) _mm256_min_pd(a, b)

#define NAME(x) squares_avx2_haswell_double_##x
#define PROGRAMS(x) fused_avx2_double_haswell_##x
#define VECTORS 4
#define MOST 3
#define END(s, x, n) rest_double(haswell_fold_double(s[0], s[1], s[2], s[3]), x, n)
#include "squares_template.h"

#define NAME(x) squares_avx2_haswell_fused_double_##x
#define PROGRAMS(x) fused_avx2_double_haswell_##x
#define VECTORS 4
#define MOST 3
#define END(s, x, n) rest_fused_double(haswell_fold_double(s[0], s[1], s[2], s[3]), x, n)
#include "squares_template.h"

#endif
