// The loops of one instruction set and one element type: one for each program of fused_programs.h. The includer defines
//
//   NAME(x)   the function names          TARGET    the attribute that allows the instructions
//   SCALAR    the element type            VECTOR    WIDTH elements of it
//   LOAD STORE SET1 ADD MUL DIV SQRT FMA(a, b, c) = a * b + c
//   RAISE(x, lower) = x < lower ? lower : x, LOWER(x, upper) = x > upper ? upper : x: a NaN stays
//   FINITE(x) = x with 0 in place of NaN and infinities, SIGN(x) = 1, -1, 0, or x for a NaN
//
//   MASK      where the processor reads and writes a part of a vector without touching the rest: the type that says which part, with
//             ALL, FIRST(n), LOAD_PART(p, mask) and STORE_PART(p, x, mask), also for ALL
//   SUMMING_HASWELL, SUMMING_SKYLAKEX   for loops that also sum squares in the order of those kernels: in how many vectors
//   FOLD_HASWELL(sums), FOLD_SKYLAKEX(sums)   the sum of those vectors, in that order
//   DIFFERING(x, y)                     in how many lanes the bits of two vectors differ
//
// and this file undefines all of them. Everything that depends on the program is a constant where a loop is made, so that the
// compiler leaves out what the program does not do.

#if defined(__OPTIMIZE__)
#define INLINE TARGET static inline __attribute__((always_inline))
#else
// One loop for all programs: nothing would be left out of a copy either.
#define INLINE TARGET static
#endif

#if !defined(MASK)
#define MASK int
#define ALL 1
#define LOAD_PART(p, mask) LOAD(p)
#define STORE_PART(p, x, mask) STORE(p, x)
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

// WIDTH elements from a position on, or those of them that a mask says; returns what the operands became.
INLINE NAME(registers) NAME(run_part)(
    momentum_fused_signature program, SCALAR *const *operands, const SCALAR *factors, ptrdiff_t i, MASK mask) {
  (void)mask;
  NAME(registers) x;
#define READ(vector) \
  if (fused_reads(program, vector)) x.operand[vector] = LOAD_PART(operands[vector] + i, mask);
#define WRITE(vector) \
  if (fused_writes(program, vector)) STORE_PART(operands[vector] + i, x.operand[vector], mask);
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
  return x;
}

INLINE void NAME(run_vector)(
    momentum_fused_signature program, SCALAR *const *operands, const SCALAR *factors, ptrdiff_t i) {
  NAME(run_part)(program, operands, factors, i, ALL);
}

// The last elements, fewer than WIDTH.
#if defined(FIRST)
INLINE void NAME(finish)(
    NAME(loop) *loop, momentum_fused_signature program, SCALAR *const *operands, const SCALAR *factors, ptrdiff_t i,
    ptrdiff_t n) {
  (void)loop;
  NAME(run_part)(program, operands, factors, i, FIRST(n));
}
#else
// In memory that has room for WIDTH. One function for all programs: it is not what counts.
TARGET static __attribute__((noinline)) void NAME(finish)(
    NAME(loop) *loop, momentum_fused_signature program, SCALAR *const *operands, const SCALAR *factors, ptrdiff_t i,
    ptrdiff_t n) {
  SCALAR memory[MOMENTUM_FUSED_COPY][WIDTH] = {{0}};
  SCALAR *copies[MOMENTUM_FUSED_COPY];
  for (unsigned k = 0; k < MOMENTUM_FUSED_COPY; k++) {
    copies[k] = memory[k];
    if (fused_reads(program, k)) memcpy(copies[k], operands[k] + i, (size_t)n * sizeof(SCALAR));
  }
  loop(copies, factors, WIDTH, 0);
  for (unsigned k = 0; k < MOMENTUM_FUSED_COPY; k++) {
    if (fused_writes(program, k)) memcpy(operands[k] + i, copies[k], (size_t)n * sizeof(SCALAR));
  }
}
#endif

INLINE void NAME(run)(
    NAME(loop) *loop, momentum_fused_signature program, SCALAR *const *operands, const SCALAR *factors, ptrdiff_t n,
    int backwards) {
  // The compiler keeps addresses and factors in registers if nobody else can change them.
  SCALAR *own[MOMENTUM_FUSED_COPY];
  SCALAR own_factors[2 * MOMENTUM_FUSED_LONGEST];
  memcpy(own, operands, sizeof own);
  memcpy(own_factors, factors, sizeof own_factors);
  const ptrdiff_t whole = n & -(ptrdiff_t)WIDTH;
  // Two loops, because steps of a constant length become parts of addresses.
  if (backwards) {
    if (whole < n) NAME(finish)(loop, program, operands, factors, whole, n - whole);
#pragma clang loop unroll_count(4)
    for (ptrdiff_t i = whole; i > 0; i -= WIDTH) NAME(run_vector)(program, own, own_factors, i - WIDTH);
    return;
  }
#pragma clang loop unroll_count(4)
  for (ptrdiff_t i = 0; i < whole; i += WIDTH) NAME(run_vector)(program, own, own_factors, i);
  if (whole < n) NAME(finish)(loop, program, operands, factors, whole, n - whole);
}

#define DEFINE(name, program)                                                                                  \
  TARGET static void NAME(name)(SCALAR *const *operands, const SCALAR *factors, ptrdiff_t n, int backwards) {  \
    NAME(run)(NAME(name), program, operands, factors, n, backwards);                                           \
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

#if defined(SUMMING_HASWELL)
#define SUMMED(x) NAME(haswell_##x)
#define VECTORS SUMMING_HASWELL
#define FOLD FOLD_HASWELL
#include "speculative_template.h"
#include "clamping_template.h"
#undef SUMMED
#undef VECTORS
#undef FOLD
#undef SUMMING_HASWELL
#undef FOLD_HASWELL
#endif

#if defined(SUMMING_SKYLAKEX)
#define SUMMED(x) NAME(skylakex_##x)
#define VECTORS SUMMING_SKYLAKEX
#define FOLD FOLD_SKYLAKEX
#include "speculative_template.h"
#include "clamping_template.h"
#undef SUMMED
#undef VECTORS
#undef FOLD
#undef SUMMING_SKYLAKEX
#undef FOLD_SKYLAKEX
#endif
#undef DIFFERING

#undef MASK
#undef ALL
#undef FIRST
#undef LOAD_PART
#undef STORE_PART
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
