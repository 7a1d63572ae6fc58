#include "products_variants.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#define NAME(x) products_neon_float_##x
#define TARGET
#define SCALAR float
#define VECTOR float32x4_t
#define WIDTH 4
#define ROWS 12
#define LOAD(p) vld1q_f32(p)
#define STORE(p, x) vst1q_f32(p, x)
#define SET1(x) vdupq_n_f32(x)
#define ADD(a, b) vaddq_f32(a, b)
#define FMA(a, b, c) vfmaq_f32(c, a, b)
#include "products_template.h"

#define NAME(x) products_neon_double_##x
#define TARGET
#define SCALAR double
#define VECTOR float64x2_t
#define WIDTH 2
#define ROWS 12
#define LOAD(p) vld1q_f64(p)
#define STORE(p, x) vst1q_f64(p, x)
#define SET1(x) vdupq_n_f64(x)
#define ADD(a, b) vaddq_f64(a, b)
#define FMA(a, b, c) vfmaq_f64(c, a, b)
#include "products_template.h"

#endif
