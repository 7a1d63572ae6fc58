#include "products_variants.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define NAME(x) products_avx2_float_##x
#define TARGET __attribute__((target("avx2,fma")))
#define SCALAR float
#define VECTOR __m256
#define WIDTH 8
#define ROWS 6
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, x) _mm256_storeu_ps(p, x)
#define SET1(x) _mm256_set1_ps(x)
#define ADD(a, b) _mm256_add_ps(a, b)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#include "products_template.h"

#define NAME(x) products_avx2_double_##x
#define TARGET __attribute__((target("avx2,fma")))
#define SCALAR double
#define VECTOR __m256d
#define WIDTH 4
#define ROWS 6
#define LOAD(p) _mm256_loadu_pd(p)
#define STORE(p, x) _mm256_storeu_pd(p, x)
#define SET1(x) _mm256_set1_pd(x)
#define ADD(a, b) _mm256_add_pd(a, b)
#define FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#include "products_template.h"

#endif
