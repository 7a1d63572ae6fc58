#include "products_variants.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define NAME(x) products_avx512_float_##x
#define TARGET __attribute__((target("avx512f")))
#define SCALAR float
#define VECTOR __m512
#define WIDTH 16
#define ROWS 12
#define LOAD(p) _mm512_loadu_ps(p)
#define STORE(p, x) _mm512_storeu_ps(p, x)
#define SET1(x) _mm512_set1_ps(x)
#define ADD(a, b) _mm512_add_ps(a, b)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#include "products_template.h"

#define NAME(x) products_avx512_double_##x
#define TARGET __attribute__((target("avx512f")))
#define SCALAR double
#define VECTOR __m512d
#define WIDTH 8
#define ROWS 12
#define LOAD(p) _mm512_loadu_pd(p)
#define STORE(p, x) _mm512_storeu_pd(p, x)
#define SET1(x) _mm512_set1_pd(x)
#define ADD(a, b) _mm512_add_pd(a, b)
#define FMA(a, b, c) _mm512_fmadd_pd(a, b, c)
#include "products_template.h"

#endif
