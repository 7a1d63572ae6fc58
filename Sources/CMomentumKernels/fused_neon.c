#include "fused_variants.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#define NAME(x) fused_neon_float_##x
typedef momentum_fused_loop_float fused_neon_float_loop;
#define TARGET
#define SCALAR float
#define VECTOR float32x4_t
#define WIDTH 4
#define LOAD(p) vld1q_f32(p)
#define STORE(p, x) vst1q_f32(p, x)
#define SET1(x) vdupq_n_f32(x)
#define ADD(a, b) vaddq_f32(a, b)
#define MUL(a, b) vmulq_f32(a, b)
#define DIV(a, b) vdivq_f32(a, b)
#define SQRT(a) vsqrtq_f32(a)
#define FMA(a, b, c) vfmaq_f32(c, a, b)
#define RAISE(x, lower) vbslq_f32(vcltq_f32(x, lower), lower, x)
#define LOWER(x, upper) vbslq_f32(vcgtq_f32(x, upper), upper, x)
#define FINITE(x) vbslq_f32(vcleq_f32(vabsq_f32(x), vdupq_n_f32(FLT_MAX)), x, vdupq_n_f32(0))
// 1 or -1 on either side of 0, and elsewhere x + 0: 0 for both zeros, and a NaN.
#define SIGN(x)                                                                                                    \
  vbslq_f32(                                                                                                      \
      vcgtq_f32(x, vdupq_n_f32(0)), vdupq_n_f32(1),                                                             \
      vbslq_f32(vcltq_f32(x, vdupq_n_f32(0)), vdupq_n_f32(-1), vaddq_f32(x, vdupq_n_f32(0))))
#include "fused_template.h"

#define NAME(x) fused_neon_double_##x
typedef momentum_fused_loop_double fused_neon_double_loop;
#define TARGET
#define SCALAR double
#define VECTOR float64x2_t
#define WIDTH 2
#define LOAD(p) vld1q_f64(p)
#define STORE(p, x) vst1q_f64(p, x)
#define SET1(x) vdupq_n_f64(x)
#define ADD(a, b) vaddq_f64(a, b)
#define MUL(a, b) vmulq_f64(a, b)
#define DIV(a, b) vdivq_f64(a, b)
#define SQRT(a) vsqrtq_f64(a)
#define FMA(a, b, c) vfmaq_f64(c, a, b)
#define RAISE(x, lower) vbslq_f64(vcltq_f64(x, lower), lower, x)
#define LOWER(x, upper) vbslq_f64(vcgtq_f64(x, upper), upper, x)
#define FINITE(x) vbslq_f64(vcleq_f64(vabsq_f64(x), vdupq_n_f64(DBL_MAX)), x, vdupq_n_f64(0))
// 1 or -1 on either side of 0, and elsewhere x + 0: 0 for both zeros, and a NaN.
#define SIGN(x)                                                                                                    \
  vbslq_f64(                                                                                                      \
      vcgtq_f64(x, vdupq_n_f64(0)), vdupq_n_f64(1),                                                             \
      vbslq_f64(vcltq_f64(x, vdupq_n_f64(0)), vdupq_n_f64(-1), vaddq_f64(x, vdupq_n_f64(0))))
#include "fused_template.h"

#endif
