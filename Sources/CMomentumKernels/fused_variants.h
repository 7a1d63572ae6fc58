#ifndef MOMENTUM_FUSED_VARIANTS_H
#define MOMENTUM_FUSED_VARIANTS_H

// What the files of the single instruction sets share. Each of them makes its loops from fused_template.h.

#include <float.h>
#include <math.h>
#include <string.h>

#include "fused_half_loops.h"
#include "fused_loops.h"
#include "fused_programs.h"
#include "squares_loops.h"

static inline __attribute__((always_inline)) unsigned fused_into(unsigned code) {
  return (code - 1) % MOMENTUM_FUSED_OPERANDS;
}

// The operand that an operation reads beside the one that it changes; that one if there is no other.
static inline __attribute__((always_inline)) unsigned fused_from(unsigned code) {
  const unsigned verb = (code - 1) / MOMENTUM_FUSED_OPERANDS;
  return verb < MOMENTUM_FUSED_SCAL ? verb % MOMENTUM_FUSED_OPERANDS : fused_into(code);
}

static inline __attribute__((always_inline)) unsigned fused_verb(unsigned code) {
  const unsigned verb = (code - 1) / MOMENTUM_FUSED_OPERANDS;
  return verb < MOMENTUM_FUSED_SCAL ? verb - verb % MOMENTUM_FUSED_OPERANDS : verb;
}

// Whether an operation reads or writes an operand. What it changes it reads, unless it assigns; a filter reads the gradient.
static inline __attribute__((always_inline)) int fused_code_reads(unsigned code, unsigned operand) {
  if (code == 0) return 0;
  if (fused_verb(code) >= MOMENTUM_FUSED_CLEAR) return operand == MOMENTUM_FUSED_GRADIENT;
  return fused_from(code) == operand || (fused_into(code) == operand && fused_verb(code) != MOMENTUM_FUSED_ASSIGN);
}

static inline __attribute__((always_inline)) int fused_code_writes(unsigned code, unsigned operand) {
  return code != 0 && fused_into(code) == operand;
}

// The same for a program. Written without a loop, so that the compiler knows the answer before it looks for vectors.
#define FUSED_ANY(holds, program, operand)                                                            \
  (holds((program)&0xff, operand) || holds((program) >> 8 & 0xff, operand) ||                         \
   holds((program) >> 16 & 0xff, operand) || holds((program) >> 24 & 0xff, operand) ||                \
   holds((program) >> 32 & 0xff, operand) || holds((program) >> 40 & 0xff, operand) ||                \
   holds((program) >> 48 & 0xff, operand) || holds((program) >> 56 & 0xff, operand))

static inline __attribute__((always_inline)) int fused_reads(momentum_fused_signature program, unsigned operand) {
  return FUSED_ANY(fused_code_reads, program, operand);
}

static inline __attribute__((always_inline)) int fused_writes(momentum_fused_signature program, unsigned operand) {
  return FUSED_ANY(fused_code_writes, program, operand);
}

// The parts of a storage, and the bytes of an element.
#define FUSED_STORAGE(gradient, direction, parameters)                                                     \
  (MOMENTUM_STORED_##gradient +                                                                            \
   MOMENTUM_STORED_TYPES * (MOMENTUM_STORED_##direction + 2 * MOMENTUM_PARAMETERS_##parameters))

static inline __attribute__((always_inline)) int fused_gradient(int storage) { return storage % MOMENTUM_STORED_TYPES; }

static inline __attribute__((always_inline)) int fused_direction(int storage) {
  return storage / MOMENTUM_STORED_TYPES % 2;
}

static inline __attribute__((always_inline)) int fused_parameters(int storage) {
  return storage / MOMENTUM_STORED_TYPES / 2;
}

static inline __attribute__((always_inline)) ptrdiff_t fused_bytes(int type) {
  return type == MOMENTUM_STORED_FLOAT ? 4 : 2;
}

static inline ptrdiff_t fused_parameter_bytes(int storage) {
  return fused_parameters(storage) >= MOMENTUM_PARAMETERS_SPLIT ? 2 : 4;
}

static inline ptrdiff_t fused_second_bytes(int storage) {
  const int ways = fused_parameters(storage);
  return ways != MOMENTUM_PARAMETERS_FLOAT && ways < MOMENTUM_PARAMETERS_NEAREST ? 2 : 0;
}

// Goes on by some elements.
static inline void fused_move(momentum_fused_halves *x, int storage, ptrdiff_t n) {
  x->gradient = (const char *)x->gradient + n * fused_bytes(fused_gradient(storage));
  x->direction = (char *)x->direction + n * fused_bytes(fused_direction(storage));
  x->parameters = (char *)x->parameters + n * fused_parameter_bytes(storage);
  if (x->second) x->second = (char *)x->second + n * fused_second_bytes(storage);
  x->index += (uint64_t)n;
}

// A loop runs a multiple of its vectors' length, with a random number for each element, and adds to the losses.
typedef void momentum_fused_half_loop(
    const momentum_fused_halves *x, const float *factors, ptrdiff_t n, const uint16_t *random, momentum_fused_losses *losses);

// The loops of one instruction set, and how they are run.
#define FUSED_HALF_LOOPS(name)                                                                                 \
  momentum_fused_half_loop *fused_##name##_find_half(momentum_fused_signature program, int storage);           \
  momentum_fused_losses fused_##name##_run_half(                                                               \
      momentum_fused_half_loop *loop, int storage, const momentum_fused_halves *x, const float *factors, ptrdiff_t n);

#if defined(__x86_64__)
FUSED_HALF_LOOPS(avx2)
FUSED_HALF_LOOPS(avx512)
momentum_fused_loop_float *fused_avx2_float_find(momentum_fused_signature program);
momentum_fused_loop_double *fused_avx2_double_find(momentum_fused_signature program);
momentum_speculative_loop_float *fused_avx2_float_haswell_find(momentum_fused_signature program);
momentum_clamping_loop_float *fused_avx2_float_haswell_find_clamping(momentum_fused_signature program);
momentum_speculative_loop_double *fused_avx2_double_haswell_find(momentum_fused_signature program);
momentum_clamping_loop_double *fused_avx2_double_haswell_find_clamping(momentum_fused_signature program);
momentum_fused_loop_float *fused_avx512_float_find(momentum_fused_signature program);
momentum_speculative_loop_float *fused_avx512_float_haswell_find(momentum_fused_signature program);
momentum_clamping_loop_float *fused_avx512_float_haswell_find_clamping(momentum_fused_signature program);
momentum_speculative_loop_float *fused_avx512_float_skylakex_find(momentum_fused_signature program);
momentum_clamping_loop_float *fused_avx512_float_skylakex_find_clamping(momentum_fused_signature program);
momentum_fused_loop_double *fused_avx512_double_find(momentum_fused_signature program);
momentum_speculative_loop_double *fused_avx512_double_haswell_find(momentum_fused_signature program);
momentum_clamping_loop_double *fused_avx512_double_haswell_find_clamping(momentum_fused_signature program);
momentum_speculative_loop_double *fused_avx512_double_skylakex_find(momentum_fused_signature program);
momentum_clamping_loop_double *fused_avx512_double_skylakex_find_clamping(momentum_fused_signature program);
#elif defined(__aarch64__)
FUSED_HALF_LOOPS(neon)
momentum_fused_loop_float *fused_neon_float_find(momentum_fused_signature program);
momentum_fused_loop_double *fused_neon_double_find(momentum_fused_signature program);
#endif

#endif
