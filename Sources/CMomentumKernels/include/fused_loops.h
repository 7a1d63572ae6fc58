#ifndef MOMENTUM_FUSED_LOOPS_H
#define MOMENTUM_FUSED_LOOPS_H

#include <stddef.h>
#include <stdint.h>

// Whole programs of a step as one loop each. A loop reads each vector once, keeps its elements in registers while the program's
// operations work on them, and writes what they changed.
//
// A multiple of one vector added to another is one fused multiply-add an element: the same bits as the axpy of a BLAS that
// fuses. Vectors may start anywhere and have any length; different vectors do not overlap.

// A program as a number: the codes of its operations, at most eight, the first one in the lowest byte; 0 ends it. A code says what
// is done, by a verb and perhaps the operand that it reads, and to which operand.
typedef uint64_t momentum_fused_signature;

typedef enum {
  MOMENTUM_FUSED_GRADIENT,
  MOMENTUM_FUSED_DIRECTION,
  MOMENTUM_FUSED_PARAMETERS,
  MOMENTUM_FUSED_AVERAGE,
  MOMENTUM_FUSED_SECOND_MOMENT,
  MOMENTUM_FUSED_UPDATE,
  // A register that no memory belongs to.
  MOMENTUM_FUSED_COPY,
  MOMENTUM_FUSED_OPERANDS
} momentum_fused_operand;

typedef enum {
  // into = factor * from + into
  MOMENTUM_FUSED_AXPY,
  // into = from
  MOMENTUM_FUSED_ASSIGN = MOMENTUM_FUSED_AXPY + MOMENTUM_FUSED_OPERANDS,
  // into = bound * into + (factor * from)^2, each operation rounded by itself
  MOMENTUM_FUSED_AVERAGE_SQUARES = MOMENTUM_FUSED_ASSIGN + MOMENTUM_FUSED_OPERANDS,
  // into = into / (sqrt(from) + factor), each operation rounded by itself
  MOMENTUM_FUSED_DIVIDE_BY_ROOT = MOMENTUM_FUSED_AVERAGE_SQUARES + MOMENTUM_FUSED_OPERANDS,
  // The verbs above read an operand, whose number is added to them; those below do not.

  // into = factor * into
  MOMENTUM_FUSED_SCAL = MOMENTUM_FUSED_DIVIDE_BY_ROOT + MOMENTUM_FUSED_OPERANDS,
  // into = 1, -1 or, for both zeros, 0 by the sign of into; a NaN stays
  MOMENTUM_FUSED_SIGN,
  // The gradient with 0 in place of NaN and infinities, and the gradient between factor and bound: into the gradient itself, which
  // is written then, or, with `into` the copy, for the operations that follow only.
  MOMENTUM_FUSED_CLEAR,
  MOMENTUM_FUSED_CLAMP
} momentum_fused_verb;

enum { MOMENTUM_FUSED_LONGEST = 8 };

#define MOMENTUM_FUSED_CODE(verb, into) ((uint64_t)(1 + (verb)*MOMENTUM_FUSED_OPERANDS + (into)))

static inline uint64_t momentum_fused_code(unsigned verb, unsigned into) { return MOMENTUM_FUSED_CODE(verb, into); }

// A loop runs n elements, from the first to the last or backwards. The operands are the vectors in their order, those that the program
// does not use in any state. The factors are one for each operation, and then, from position 8 on, the bounds.
typedef void momentum_fused_loop_float(float *const *operands, const float *factors, ptrdiff_t n, int backwards);
typedef void momentum_fused_loop_double(double *const *operands, const double *factors, ptrdiff_t n, int backwards);

// The loop of a program on the widest vectors of this processor; NULL where there is none.
momentum_fused_loop_float *momentum_find_fused_loop_float(momentum_fused_signature program);
momentum_fused_loop_double *momentum_find_fused_loop_double(momentum_fused_signature program);

// Runs a loop that was found, given as any pointer.
static inline void momentum_run_fused_loop_float(
    const void *loop, float *const *operands, const float *factors, ptrdiff_t n, int backwards) {
  ((momentum_fused_loop_float *)loop)(operands, factors, n, backwards);
}
static inline void momentum_run_fused_loop_double(
    const void *loop, double *const *operands, const double *factors, ptrdiff_t n, int backwards) {
  ((momentum_fused_loop_double *)loop)(operands, factors, n, backwards);
}

// The vectors that the loops use here, such as "AVX2"; NULL where this processor has no loops.
const char *momentum_fused_vectors(void);

// Whether a compiler has optimised the loops. If not, they leave everything in memory and are slower than calls of BLAS.
int momentum_fused_loops_are_optimized(void);

// The same for one kind of processor, for tests: which bits come out must not depend on it.
typedef struct {
  const char *name;
  momentum_fused_loop_float *(*find_float)(momentum_fused_signature program);
  momentum_fused_loop_double *(*find_double)(momentum_fused_signature program);
} momentum_fused_loops;

// The variant at a position from 0 on, the narrowest first, of those that this processor runs; behind the last one NULL.
const momentum_fused_loops *momentum_fused_loops_variant(int position);

// All programs that have a loop, for tests: the one at a position from 0 on; behind the last one 0.
momentum_fused_signature momentum_fused_program(int position);

#endif
