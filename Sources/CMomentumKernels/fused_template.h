// The loops of one instruction set and one element type: one for each program of fused_programs.h. The includer defines
//
//   NAME(x)   the function names          TARGET    the attribute that allows the instructions
//   SCALAR    the element type            VECTOR    WIDTH elements of it
//   LOAD STORE SET1 ADD MUL DIV SQRT FMA(a, b, c) = a * b + c
//   RAISE(x, lower) = x < lower ? lower : x, LOWER(x, upper) = x > upper ? upper : x: a NaN stays
//   FINITE(x) = x with 0 in place of NaN and infinities, SIGN(x) = 1, -1, 0, or x for a NaN
//
//   SUMMING   for loops that also sum squares, in the order of the loops of squares of the same instruction set
//
// and this file undefines all of them. Everything that depends on the program is a constant where a loop is made, so that the
// compiler leaves out what the program does not do.

#if defined(__OPTIMIZE__)
#define INLINE TARGET static inline __attribute__((always_inline))
#else
// One loop for all programs: nothing would be left out of a copy either.
#define INLINE TARGET static
#endif

// A block of each operand.
typedef struct {
  VECTOR operand[MOMENTUM_FUSED_OPERANDS];
} NAME(registers);

INLINE unsigned NAME(code)(momentum_fused_signature program, int position) {
  return (unsigned)(program >> (8 * position) & 0xff);
}

INLINE void NAME(operate)(
    momentum_fused_signature program, int position, NAME(registers) *x, const SCALAR *factors) {
  const unsigned code = NAME(code)(program, position);
  if (code == 0) return;
  const VECTOR factor = SET1(factors[position]), bound = SET1(factors[MOMENTUM_FUSED_LONGEST + position]);
  const VECTOR from = x->operand[fused_from(code)];
  VECTOR *into = &x->operand[fused_into(code)], *gradient = &x->operand[MOMENTUM_FUSED_GRADIENT];
  switch (fused_verb(code)) {
    case MOMENTUM_FUSED_AXPY: *into = FMA(factor, from, *into); break;
    case MOMENTUM_FUSED_ASSIGN: *into = from; break;
    case MOMENTUM_FUSED_AVERAGE_SQUARES: {
      const VECTOR scaled = MUL(factor, from);
      *into = ADD(MUL(bound, *into), MUL(scaled, scaled));
      break;
    }
    case MOMENTUM_FUSED_DIVIDE_BY_ROOT: *into = DIV(*into, ADD(SQRT(from), factor)); break;
    case MOMENTUM_FUSED_SCAL: *into = MUL(factor, *into); break;
    case MOMENTUM_FUSED_SIGN: *into = SIGN(*into); break;
    case MOMENTUM_FUSED_CLEAR: *gradient = FINITE(*gradient); break;
    case MOMENTUM_FUSED_CLAMP: *gradient = LOWER(RAISE(*gradient, factor), bound); break;
  }
}

// WIDTH elements from a position on.
INLINE void NAME(run_vector)(
    momentum_fused_signature program, SCALAR *const *operands, const SCALAR *factors, ptrdiff_t i) {
  NAME(registers) x;
#define READ(vector) \
  if (fused_reads(program, vector)) x.operand[vector] = LOAD(operands[vector] + i);
#define WRITE(vector) \
  if (fused_writes(program, vector)) STORE(operands[vector] + i, x.operand[vector]);
  READ(MOMENTUM_FUSED_GRADIENT)
  READ(MOMENTUM_FUSED_DIRECTION)
  READ(MOMENTUM_FUSED_PARAMETERS)
  READ(MOMENTUM_FUSED_AVERAGE)
  READ(MOMENTUM_FUSED_SECOND_MOMENT)
  READ(MOMENTUM_FUSED_UPDATE)
  NAME(operate)(program, 0, &x, factors);
  NAME(operate)(program, 1, &x, factors);
  NAME(operate)(program, 2, &x, factors);
  NAME(operate)(program, 3, &x, factors);
  NAME(operate)(program, 4, &x, factors);
  NAME(operate)(program, 5, &x, factors);
  NAME(operate)(program, 6, &x, factors);
  NAME(operate)(program, 7, &x, factors);
  WRITE(MOMENTUM_FUSED_GRADIENT)
  WRITE(MOMENTUM_FUSED_DIRECTION)
  WRITE(MOMENTUM_FUSED_PARAMETERS)
  WRITE(MOMENTUM_FUSED_AVERAGE)
  WRITE(MOMENTUM_FUSED_SECOND_MOMENT)
  WRITE(MOMENTUM_FUSED_UPDATE)
#undef READ
#undef WRITE
}

// The last elements, fewer than WIDTH, in memory that has room for WIDTH. One function for all programs: it is not what counts.
TARGET static __attribute__((noinline)) void NAME(finish)(
    NAME(loop) *loop, momentum_fused_signature program, SCALAR *const *operands, const SCALAR *factors, ptrdiff_t i,
    ptrdiff_t n) {
  SCALAR memory[MOMENTUM_FUSED_COPY][WIDTH] = {{0}};
  SCALAR *copies[MOMENTUM_FUSED_COPY];
  for (unsigned k = 0; k < MOMENTUM_FUSED_COPY; k++) {
    copies[k] = memory[k];
    if (fused_reads(program, k)) memcpy(copies[k], operands[k] + i, (size_t)n * sizeof(SCALAR));
  }
  loop(copies, factors, WIDTH);
  for (unsigned k = 0; k < MOMENTUM_FUSED_COPY; k++) {
    if (fused_writes(program, k)) memcpy(operands[k] + i, copies[k], (size_t)n * sizeof(SCALAR));
  }
}

INLINE void NAME(run)(
    NAME(loop) *loop, momentum_fused_signature program, SCALAR *const *operands, const SCALAR *factors, ptrdiff_t n) {
  // The compiler keeps addresses and factors in registers if nobody else can change them.
  SCALAR *own[MOMENTUM_FUSED_COPY];
  SCALAR own_factors[2 * MOMENTUM_FUSED_LONGEST];
  memcpy(own, operands, sizeof own);
  memcpy(own_factors, factors, sizeof own_factors);
  ptrdiff_t i = 0;
#pragma clang loop unroll_count(4)
  for (; i + WIDTH <= n; i += WIDTH) NAME(run_vector)(program, own, own_factors, i);
  if (i < n) NAME(finish)(loop, program, operands, factors, i, n - i);
}

#if defined(SUMMING)
#include "squares_lanes.h"

INLINE void NAME(run_block)(
    momentum_fused_signature program, SCALAR *const *operands, const SCALAR *factors, ptrdiff_t i) {
  NAME(run_vector)(program, operands, factors, i);
  NAME(run_vector)(program, operands, factors, i + WIDTH);
  NAME(run_vector)(program, operands, factors, i + 2 * WIDTH);
  NAME(run_vector)(program, operands, factors, i + 3 * WIDTH);
}

INLINE void NAME(run_summing)(
    NAME(loop) *loop, momentum_fused_signature program, SCALAR *const *operands, const SCALAR *factors, ptrdiff_t n,
    const SCALAR *next, ptrdiff_t next_n, SCALAR *lanes) {
  SCALAR *own[MOMENTUM_FUSED_COPY];
  SCALAR own_factors[2 * MOMENTUM_FUSED_LONGEST];
  memcpy(own, operands, sizeof own);
  memcpy(own_factors, factors, sizeof own_factors);
  const VECTOR zero = SET1(0);
  NAME(lanes) sum = {zero, zero, zero, zero};
  const ptrdiff_t whole = n & -(ptrdiff_t)NAME(block), half = whole / 2 & -(ptrdiff_t)NAME(block);
  ptrdiff_t i = 0, k = 0;
  for (; i < half; i += NAME(block)) NAME(run_block)(program, own, own_factors, i);
  // Two blocks of squares beside one of the program: late, so that the elements are still in the first-level cache when the
  // program comes to them.
  for (; i < whole && k + 2 * NAME(block) <= next_n; i += NAME(block), k += 2 * NAME(block)) {
    sum = NAME(add)(sum, next + k);
    sum = NAME(add)(sum, next + k + NAME(block));
    NAME(run_block)(program, own, own_factors, i);
  }
  for (; k < next_n; k += NAME(block)) sum = NAME(add)(sum, next + k);
  STORE(lanes, sum.a);
  STORE(lanes + WIDTH, sum.b);
  STORE(lanes + 2 * WIDTH, sum.c);
  STORE(lanes + 3 * WIDTH, sum.d);
  for (; i + WIDTH <= n; i += WIDTH) NAME(run_vector)(program, own, own_factors, i);
  if (i < n) NAME(finish)(loop, program, operands, factors, i, n - i);
}
#endif

#define DEFINE(name, program)                                                                          \
  TARGET static void NAME(name)(SCALAR *const *operands, const SCALAR *factors, ptrdiff_t n) {         \
    NAME(run)(NAME(name), program, operands, factors, n);                                                     \
  }
FUSED_PROGRAMS(DEFINE)
#undef DEFINE

#define FOUND(name, program) \
  case program: return NAME(name);
NAME(loop) *NAME(find)(momentum_fused_signature program) {
  switch (program) {
    FUSED_PROGRAMS(FOUND)
    default: return NULL;
  }
}
#undef FOUND

#if defined(SUMMING)
#define DEFINE(name, program)                                                                                        \
  TARGET static void NAME(name##_summing)(                                                                           \
      SCALAR *const *operands, const SCALAR *factors, ptrdiff_t n, const SCALAR *next, ptrdiff_t next_n, SCALAR *lanes) { \
    NAME(run_summing)(NAME(name), program, operands, factors, n, next, next_n, lanes);                               \
  }
SUMMING_PROGRAMS(DEFINE)
#undef DEFINE

#define FOUND(name, program) \
  case program: return NAME(name##_summing);
NAME(summing_loop) *NAME(find_summing)(momentum_fused_signature program) {
  switch (program) {
    SUMMING_PROGRAMS(FOUND)
    default: return NULL;
  }
}
#undef FOUND
#undef SUMMING
#endif

#undef INLINE
#undef NAME
#undef TARGET
#undef SCALAR
#undef VECTOR
#undef WIDTH
#undef LOAD
#undef STORE
#undef SET1
#undef ADD
#undef MUL
#undef DIV
#undef SQRT
#undef FMA
#undef RAISE
#undef LOWER
#undef FINITE
#undef SIGN
