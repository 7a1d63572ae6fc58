// Plain C: the compiler makes of it what every processor of the target has.
#include "limit_table.h"

#define NAME(x) portable_float_##x
#define TARGET 
#define SCALAR float
#define VECTOR float
#define WIDTH 1
#define LOAD(p) (*(p))
#define STORE(p, x) (*(p) = (x))
#define SET1(x) (x)
#define MUL(a, b) ((a) * (b))
#define ADD(a, b) ((a) + (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define DIV(a, b) ((a) / (b))
#define SQRT(x) __builtin_sqrtf(x)
#define ROOT(x) __builtin_sqrtf(x)
#define FMA(a, b, c) ((a) * (b) + (c))
#include "limit_kernels.inc"

#define NAME(x) portable_double_##x
#define TARGET 
#define SCALAR double
#define VECTOR double
#define WIDTH 1
#define LOAD(p) (*(p))
#define STORE(p, x) (*(p) = (x))
#define SET1(x) (x)
#define MUL(a, b) ((a) * (b))
#define ADD(a, b) ((a) + (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define DIV(a, b) ((a) / (b))
#define SQRT(x) __builtin_sqrt(x)
#define ROOT(x) __builtin_sqrt(x)
#define FMA(a, b, c) ((a) * (b) + (c))
#include "limit_kernels.inc"

// As the compiler's vectors have no conversion that every processor knows, with integers and exact arithmetic.
typedef float float4 __attribute__((vector_size(16)));
typedef uint32_t word4 __attribute__((vector_size(16)));

static inline __attribute__((always_inline)) float4 widened_float16(const uint16_t *x) {
  word4 bits = {x[0], x[1], x[2], x[3]};
  word4 magnitude = (bits & 0x7fff) << 13, sign = (bits & 0x8000) << 16, bias = magnitude * 0 + (113u << 23);
  // With the implicit digit added a subnormal number is a normal one, and the subtraction is exact.
  word4 subnormal = (word4)((float4)(magnitude + bias) - (float4)bias);
  word4 is_subnormal = (word4)(magnitude < 0x00800000), is_special = (word4)(magnitude >= 0x0f800000);
  word4 number = magnitude + (112u << 23) + (is_special & (112u << 23));
  return (float4)(((is_subnormal & subnormal) | (~is_subnormal & number)) | sign);
}

#define NAME(x) portable_half_##x
#define TARGET 
#define WIDTH 4
#define WIDEN_FLOAT16(p) widened_float16(p)
#include "limit_half.inc"

const momentum_limit_table momentum_limit_portable = MOMENTUM_LIMIT_TABLE(portable_float, portable_double, portable_half);
