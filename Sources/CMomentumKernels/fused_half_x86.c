#include "fused_variants.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "half_numbers.h"
#include "half_stores.h"

#define NAME(x) fused_avx2_##x
#define TARGET __attribute__((target("avx2,fma,f16c")))
#define WIDTH 8
#define PAIR_LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 2, 6)
#define PAIR_HIGH(a, b) __builtin_shufflevector(a, b, 1, 5, 3, 7)
#define FMA(a, b, c) (fused_avx2_floats) _mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c))
#define ANY(mask) (!_mm256_testz_si256((__m256i)(mask), (__m256i)(mask)))
#define WIDEN_FLOAT16(p) (fused_avx2_floats) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p)))
#define STORE_FLOAT16(p, x) \
  _mm_storeu_si128((__m128i *)(p), _mm256_cvtps_ph((__m256)(x), _MM_FROUND_TO_NEAREST_INT))
#include "fused_half_template.h"

#define NAME(x) fused_avx512_##x
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,f16c,fma")))
#define WIDTH 16
#define PAIR_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14)
#define PAIR_HIGH(a, b) __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15)
#define FMA(a, b, c) (fused_avx512_floats) _mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c))
#define ANY(mask) (_mm512_test_epi32_mask((__m512i)(mask), (__m512i)(mask)) != 0)
#define WIDEN_FLOAT16(p) (fused_avx512_floats) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(p)))
#define STORE_FLOAT16(p, x) \
  _mm256_storeu_si256((__m256i *)(p), _mm512_cvtps_ph((__m512)(x), _MM_FROUND_TO_NEAREST_INT))
#include "fused_half_template.h"

#endif
