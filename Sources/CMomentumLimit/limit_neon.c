#include "limit_table.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#define NAME(x) neon_float_##x
#define TARGET 
#define SCALAR float
#define VECTOR float32x4_t
#define WIDTH 4
#define LOAD(p) vld1q_f32(p)
#define STORE(p, x) vst1q_f32(p, x)
#define SET1(x) vdupq_n_f32(x)
#define MUL(a, b) vmulq_f32(a, b)
#define ADD(a, b) vaddq_f32(a, b)
#define MIN(a, b) vminq_f32(a, b)
#define MAX(a, b) vmaxq_f32(a, b)
#define DIV(a, b) vdivq_f32(a, b)
#define SQRT(x) vsqrtq_f32(x)
#define ROOT(x) __builtin_sqrtf(x)
#define FMA(a, b, c) vfmaq_f32(c, a, b)
#include "limit_kernels.inc"

#define NAME(x) neon_double_##x
#define TARGET 
#define SCALAR double
#define VECTOR float64x2_t
#define WIDTH 2
#define LOAD(p) vld1q_f64(p)
#define STORE(p, x) vst1q_f64(p, x)
#define SET1(x) vdupq_n_f64(x)
#define MUL(a, b) vmulq_f64(a, b)
#define ADD(a, b) vaddq_f64(a, b)
#define MIN(a, b) vminq_f64(a, b)
#define MAX(a, b) vmaxq_f64(a, b)
#define DIV(a, b) vdivq_f64(a, b)
#define SQRT(x) vsqrtq_f64(x)
#define ROOT(x) __builtin_sqrt(x)
#define FMA(a, b, c) vfmaq_f64(c, a, b)
#include "limit_kernels.inc"

#define NAME(x) neon_half_##x
#define TARGET 
#define WIDTH 4
#define WIDEN_FLOAT16(p) (neon_half_floats)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)))
#include "limit_half.inc"

const momentum_limit_table momentum_limit_neon = MOMENTUM_LIMIT_TABLE(neon_float, neon_double, neon_half);

#endif
