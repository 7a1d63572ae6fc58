#include "limit_table.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define NAME(x) avx512_float_##x
#define TARGET __attribute__((target("avx512f")))
#define SCALAR float
#define VECTOR __m512
#define WIDTH 16
#define LOAD(p) _mm512_loadu_ps(p)
#define STORE(p, x) _mm512_storeu_ps(p, x)
#define SET1(x) _mm512_set1_ps(x)
#define MUL(a, b) _mm512_mul_ps(a, b)
#define ADD(a, b) _mm512_add_ps(a, b)
#define MIN(a, b) _mm512_min_ps(a, b)
#define MAX(a, b) _mm512_max_ps(a, b)
#define DIV(a, b) _mm512_div_ps(a, b)
#define SQRT(x) _mm512_sqrt_ps(x)
#define ROOT(x) __builtin_sqrtf(x)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#include "limit_kernels.inc"

#define NAME(x) avx512_double_##x
#define TARGET __attribute__((target("avx512f")))
#define SCALAR double
#define VECTOR __m512d
#define WIDTH 8
#define LOAD(p) _mm512_loadu_pd(p)
#define STORE(p, x) _mm512_storeu_pd(p, x)
#define SET1(x) _mm512_set1_pd(x)
#define MUL(a, b) _mm512_mul_pd(a, b)
#define ADD(a, b) _mm512_add_pd(a, b)
#define MIN(a, b) _mm512_min_pd(a, b)
#define MAX(a, b) _mm512_max_pd(a, b)
#define DIV(a, b) _mm512_div_pd(a, b)
#define SQRT(x) _mm512_sqrt_pd(x)
#define ROOT(x) __builtin_sqrt(x)
#define FMA(a, b, c) _mm512_fmadd_pd(a, b, c)
#include "limit_kernels.inc"

#define NAME(x) avx512_half_##x
#define TARGET __attribute__((target("avx512f")))
#define WIDTH 16
#define WIDEN_FLOAT16(p) (avx512_half_floats)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(p)))
#include "limit_half.inc"

const momentum_limit_table momentum_limit_avx512 = MOMENTUM_LIMIT_TABLE(avx512_float, avx512_double, avx512_half);

#endif
