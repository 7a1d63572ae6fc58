#include "limit_table.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define NAME(x) avx2_float_##x
#define TARGET __attribute__((target("avx2,fma")))
#define SCALAR float
#define VECTOR __m256
#define WIDTH 8
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, x) _mm256_storeu_ps(p, x)
#define SET1(x) _mm256_set1_ps(x)
#define MUL(a, b) _mm256_mul_ps(a, b)
#define ADD(a, b) _mm256_add_ps(a, b)
#define MIN(a, b) _mm256_min_ps(a, b)
#define MAX(a, b) _mm256_max_ps(a, b)
#define DIV(a, b) _mm256_div_ps(a, b)
#define SQRT(x) _mm256_sqrt_ps(x)
#define ROOT(x) __builtin_sqrtf(x)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#include "limit_kernels.inc"

#define NAME(x) avx2_double_##x
#define TARGET __attribute__((target("avx2,fma")))
#define SCALAR double
#define VECTOR __m256d
#define WIDTH 4
#define LOAD(p) _mm256_loadu_pd(p)
#define STORE(p, x) _mm256_storeu_pd(p, x)
#define SET1(x) _mm256_set1_pd(x)
#define MUL(a, b) _mm256_mul_pd(a, b)
#define ADD(a, b) _mm256_add_pd(a, b)
#define MIN(a, b) _mm256_min_pd(a, b)
#define MAX(a, b) _mm256_max_pd(a, b)
#define DIV(a, b) _mm256_div_pd(a, b)
#define SQRT(x) _mm256_sqrt_pd(x)
#define ROOT(x) __builtin_sqrt(x)
#define FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#include "limit_kernels.inc"

#define NAME(x) avx2_half_##x
#define TARGET __attribute__((target("avx2,fma,f16c")))
#define WIDTH 8
#define WIDEN_FLOAT16(p) (avx2_half_floats)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p)))
#include "limit_half.inc"

const momentum_limit_table momentum_limit_avx2 = MOMENTUM_LIMIT_TABLE(avx2_float, avx2_double, avx2_half);

#endif
