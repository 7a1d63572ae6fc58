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
#define FMA(a, b, c) ((a) * (b) + (c))
#include "limit_kernels.inc"

const momentum_limit_table momentum_limit_portable = MOMENTUM_LIMIT_TABLE(portable_float, portable_double);
