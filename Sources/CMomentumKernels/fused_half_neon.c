#include "fused_variants.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#include "half_numbers.h"
#include "half_stores.h"

#define NAME(x) fused_neon_##x
#define TARGET
#define WIDTH 4
#define PAIR_LOW(a, b) __builtin_shufflevector(a, b, 0, 2)
#define PAIR_HIGH(a, b) __builtin_shufflevector(a, b, 1, 3)
#define FMA(a, b, c) (fused_neon_floats) vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b))
#define ANY(mask) (vmaxvq_u32((uint32x4_t)(mask)) != 0)
#define WIDEN_FLOAT16(p) (fused_neon_floats) vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)(p))))
#define STORE_FLOAT16(p, x) vst1_u16((uint16_t *)(p), vreinterpret_u16_f16(vcvt_f16_f32((float32x4_t)(x))))
#include "fused_half_template.h"

#endif
