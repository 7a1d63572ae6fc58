// Two orders of OpenBLAS's kernels. Those for Haswell and Zen add to four vectors of 256 bits, which are two here. Those for SkylakeX
// and later processors add to four of 512 bits, then their halves to each other; what fills half a block comes next.
#include "squares_variants.h"

#if defined(__x86_64__)

#include <stdint.h>

#include "squares_orders_avx512.h"

#define TARGET __attribute__((target("avx512f,avx2,fma")))
#define VECTORS_NAME "AVX-512"
// As many as a first-level cache holds, 48 KiB. A second-level cache takes longer than a sum waits for itself, and delivers one stream
// faster than three: 196 KB take 1.05 instead of 1.30 microseconds on a Zen 5.
#define NEAR (6 * 4 / (ptrdiff_t)sizeof(SCALAR))
// Runs that a last-level cache delivers: in a second-level one, 1 MiB, the next tile is near anyway, and memory has more than enough
// to do.
#define FAR (192 * 4 / (ptrdiff_t)sizeof(SCALAR))
#define FARTHEST (1024 * 4 / (ptrdiff_t)sizeof(SCALAR))

#define COUNTS __m512i
#define NO_COUNTS _mm512_setzero_si512()

#define LOOPS squares_loops_float
#define SCALAR float
#define VECTOR __m512
#define WIDTH 16
#define LOAD(p) _mm512_loadu_ps(p)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define SET1(a) _mm512_set1_ps(a)
#define MIN(a, b) _mm512_min_ps(a, b)
#define MAX(a, b) _mm512_max_ps(a, b)
#define COUNT(counts, x, y)                                                                                        \
  _mm512_mask_add_epi32(                                                                                           \
      counts, _mm512_cmpeq_epi32_mask(_mm512_castps_si512(x), _mm512_castps_si512(y)), counts, _mm512_set1_epi32(1))
#define TOTAL(counts) _mm512_reduce_add_epi32(counts)
#define MAGNITUDE(x) _mm512_abs_ps(x)
// Magnitudes compare as integers do, and integers have more units.
#define LEAST(a, b) _mm512_castsi512_ps(_mm512_min_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)))

#define NAME(x) squares_avx512_haswell_float_##x
#define PROGRAMS(x) fused_avx512_float_haswell_##x
#define VECTORS 2
#define MOST 5
#define END(s, x, n) rest_float(haswell_float(s), x, n)
#include "squares_template.h"

#define NAME(x) squares_avx512_skylakex_float_##x
#define PROGRAMS(x) fused_avx512_float_skylakex_##x
#define VECTORS 4
#define MOST 3
#define END(s, x, n) rest_float(skylakex_float(s, x, n), x + (n & 32), n & 31)
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
#define VECTOR __m512d
#define WIDTH 8
#define LOAD(p) _mm512_loadu_pd(p)
#define FMA(a, b, c) _mm512_fmadd_pd(a, b, c)
#define SET1(a) _mm512_set1_pd(a)
#define MIN(a, b) _mm512_min_pd(a, b)
#define MAX(a, b) _mm512_max_pd(a, b)
#define COUNT(counts, x, y)                                                                                          \
  _mm512_mask_add_epi64(                                                                                             \
      counts, _mm512_cmpeq_epi64_mask(_mm512_castpd_si512(x), _mm512_castpd_si512(y)), counts, _mm512_set1_epi64(1))
#define TOTAL(counts) _mm512_reduce_add_epi64(counts)
#define MAGNITUDE(x) _mm512_abs_pd(x)
#define LEAST(a, b) _mm512_min_pd(a, b)

#define NAME(x) squares_avx512_haswell_double_##x
#define PROGRAMS(x) fused_avx512_double_haswell_##x
#define VECTORS 2
#define MOST 5
#define END(s, x, n) rest_double(haswell_double(s), x, n)
#include "squares_template.h"

#define NAME(x) squares_avx512_haswell_fused_double_##x
#define PROGRAMS(x) fused_avx512_double_haswell_##x
#define VECTORS 2
#define MOST 5
#define END(s, x, n) rest_fused_double(haswell_double(s), x, n)
#include "squares_template.h"

#define NAME(x) squares_avx512_skylakex_double_##x
#define PROGRAMS(x) fused_avx512_double_skylakex_##x
#define VECTORS 4
#define MOST 3
#define END(s, x, n) rest_double(skylakex_double(s, x, n), x + (n & 16), n & 15)
#include "squares_template.h"

#define NAME(x) squares_avx512_skylakex_fused_double_##x
#define PROGRAMS(x) fused_avx512_double_skylakex_##x
#define VECTORS 4
#define MOST 3
#define END(s, x, n) rest_fused_double(skylakex_double(s, x, n), x + (n & 16), n & 15)
#include "squares_template.h"

#endif
