#ifndef MOMENTUM_FUSED_PROGRAMS_H
#define MOMENTUM_FUSED_PROGRAMS_H

// The programs that have a loop: those that the rules of the library compile. A program that is not here runs as BLAS calls.

#include "fused_loops.h"

// Operations by the first letters of their operands: Gradient, Direction, Parameters, Average, Update, Copy.
#define AXPY(from, into) MOMENTUM_FUSED_CODE(MOMENTUM_FUSED_AXPY + (from), into)
#define GD AXPY(MOMENTUM_FUSED_GRADIENT, MOMENTUM_FUSED_DIRECTION)
#define GP AXPY(MOMENTUM_FUSED_GRADIENT, MOMENTUM_FUSED_PARAMETERS)
#define DP AXPY(MOMENTUM_FUSED_DIRECTION, MOMENTUM_FUSED_PARAMETERS)
#define PD AXPY(MOMENTUM_FUSED_PARAMETERS, MOMENTUM_FUSED_DIRECTION)
#define CP AXPY(MOMENTUM_FUSED_COPY, MOMENTUM_FUSED_PARAMETERS)
#define PA AXPY(MOMENTUM_FUSED_PARAMETERS, MOMENTUM_FUSED_AVERAGE)
#define GU AXPY(MOMENTUM_FUSED_GRADIENT, MOMENTUM_FUSED_UPDATE)
#define PU AXPY(MOMENTUM_FUSED_PARAMETERS, MOMENTUM_FUSED_UPDATE)
#define UP AXPY(MOMENTUM_FUSED_UPDATE, MOMENTUM_FUSED_PARAMETERS)
#define SCALE(vector) MOMENTUM_FUSED_CODE(MOMENTUM_FUSED_SCAL, vector)
#define SG SCALE(MOMENTUM_FUSED_GRADIENT)
#define SD SCALE(MOMENTUM_FUSED_DIRECTION)
#define SU SCALE(MOMENTUM_FUSED_UPDATE)
#define GC AXPY(MOMENTUM_FUSED_GRADIENT, MOMENTUM_FUSED_COPY)
#define SIGN_C MOMENTUM_FUSED_CODE(MOMENTUM_FUSED_SIGN, MOMENTUM_FUSED_COPY)
#define SQUARES \
  MOMENTUM_FUSED_CODE(MOMENTUM_FUSED_AVERAGE_SQUARES + MOMENTUM_FUSED_GRADIENT, MOMENTUM_FUSED_SECOND_MOMENT)
#define ROOT_C MOMENTUM_FUSED_CODE(MOMENTUM_FUSED_DIVIDE_BY_ROOT + MOMENTUM_FUSED_SECOND_MOMENT, MOMENTUM_FUSED_COPY)
#define COPY_D MOMENTUM_FUSED_CODE(MOMENTUM_FUSED_ASSIGN + MOMENTUM_FUSED_DIRECTION, MOMENTUM_FUSED_COPY)
#define COPY_P MOMENTUM_FUSED_CODE(MOMENTUM_FUSED_ASSIGN + MOMENTUM_FUSED_PARAMETERS, MOMENTUM_FUSED_COPY)
#define D_TO_U MOMENTUM_FUSED_CODE(MOMENTUM_FUSED_ASSIGN + MOMENTUM_FUSED_DIRECTION, MOMENTUM_FUSED_UPDATE)
#define CLEAR MOMENTUM_FUSED_CODE(MOMENTUM_FUSED_CLEAR, MOMENTUM_FUSED_COPY)
#define CLAMP MOMENTUM_FUSED_CODE(MOMENTUM_FUSED_CLAMP, MOMENTUM_FUSED_COPY)
#define CLEAR_IN_PLACE MOMENTUM_FUSED_CODE(MOMENTUM_FUSED_CLEAR, MOMENTUM_FUSED_GRADIENT)
#define CLAMP_IN_PLACE MOMENTUM_FUSED_CODE(MOMENTUM_FUSED_CLAMP, MOMENTUM_FUSED_GRADIENT)

#define ONE(a) (a)
#define TWO(a, b) (ONE(a) | (b) << 8)
#define THREE(a, b, c) (TWO(a, b) | (c) << 16)
#define FOUR(a, b, c, d) (THREE(a, b, c) | (d) << 24)
#define FIVE(a, b, c, d, e) (FOUR(a, b, c, d) | (e) << 32)
#define SIX(a, b, c, d, e, f) (FIVE(a, b, c, d, e) | (f) << 40)
#define SEVEN(a, b, c, d, e, f, g) (SIX(a, b, c, d, e, f) | (g) << 48)
#define EIGHT(a, b, c, d, e, f, g, h) (SEVEN(a, b, c, d, e, f, g) | (h) << 56)

// What a rule makes of a gradient: of it as it is, clamped, or cleared.
#define OF_GRADIENT(X, name, program)       \
  X(name, program)                          \
  X(name##_clamped, CLAMP | (program) << 8) \
  X(name##_cleared, CLEAR | (program) << 8)

// What ends with the parameters, with an average of them behind it.
#define AVERAGED(X, name, length, program) X(name##_averaged, (program) | PA << (8 * (length)))

// The step of a rule.
#define STEP(X, name, length, program) \
  OF_GRADIENT(X, name, program)        \
  AVERAGED(X, name, length, program)

// The step of a rule with momentum: the direction takes in its scale now and then.
#define MOMENTUM_STEP(X, name, length, program, scaled) \
  STEP(X, name, length, program)                        \
  STEP(X, scaled_##name, length + 1, scaled)

// What comes before a transform of the update, of a rule with momentum; and what comes behind it.
#define UPDATE_MADE(X, name, program, scaled) \
  OF_GRADIENT(X, name, program)               \
  OF_GRADIENT(X, scaled_##name, scaled)
#define UPDATE_TAKEN(X, name, length, program) \
  X(name, program)                             \
  AVERAGED(X, name, length, program)

#define FUSED_PROGRAMS(X)                                                                                              \
  STEP(X, plain, 1, ONE(GP))                                                                                           \
  STEP(X, plain_decay, 3, THREE(COPY_P, CP, GP))                                                                       \
  STEP(X, plain_late_decay, 3, THREE(COPY_P, GP, CP))                                                                  \
  MOMENTUM_STEP(X, momentum, 2, TWO(GD, DP), THREE(SD, GD, DP))                                                        \
  MOMENTUM_STEP(X, decay, 3, THREE(GD, PD, DP), FOUR(SD, GD, PD, DP))                                                  \
  MOMENTUM_STEP(X, decoupled_decay, 4, FOUR(COPY_P, GD, CP, DP), FIVE(COPY_P, SD, GD, CP, DP))                         \
  MOMENTUM_STEP(X, nesterov, 3, THREE(GD, GP, DP), FOUR(SD, GD, GP, DP))                                               \
  MOMENTUM_STEP(X, nesterov_decoupled_decay, 5, FIVE(COPY_P, GD, CP, GP, DP), SIX(COPY_P, SD, GD, CP, GP, DP))         \
  MOMENTUM_STEP(X, nesterov_decay, 6, SIX(COPY_P, GD, PD, CP, GP, DP), SEVEN(COPY_P, SD, GD, PD, CP, GP, DP))          \
  MOMENTUM_STEP(X, nesterov_late_decay, 6, SIX(COPY_P, GD, PD, GP, CP, DP), SEVEN(COPY_P, SD, GD, PD, GP, CP, DP))     \
  /* AdamW, Lion and Signum. */                                                                                        \
  X(adamw, FIVE(GD, SQUARES, COPY_D, ROOT_C, CP))                                                                      \
  X(scaled_adamw, SIX(SD, GD, SQUARES, COPY_D, ROOT_C, CP))                                                            \
  X(adamw_decay, SEVEN(COPY_P, CP, GD, SQUARES, COPY_D, ROOT_C, CP))                                                   \
  X(scaled_adamw_decay, EIGHT(COPY_P, CP, SD, GD, SQUARES, COPY_D, ROOT_C, CP))                                        \
  X(lion, FIVE(COPY_D, GC, SIGN_C, CP, GD))                                                                            \
  X(scaled_lion, SIX(COPY_D, GC, SIGN_C, CP, SD, GD))                                                                  \
  X(lion_decay, SEVEN(COPY_P, CP, COPY_D, GC, SIGN_C, CP, GD))                                                         \
  X(scaled_lion_decay, EIGHT(COPY_P, CP, COPY_D, GC, SIGN_C, CP, SD, GD))                                              \
  X(signum, FOUR(GD, COPY_D, SIGN_C, CP))                                                                              \
  X(scaled_signum, FIVE(SD, GD, COPY_D, SIGN_C, CP))                                                                   \
  X(signum_decay, SIX(COPY_P, CP, GD, COPY_D, SIGN_C, CP))                                                             \
  X(scaled_signum_decay, SEVEN(COPY_P, CP, SD, GD, COPY_D, SIGN_C, CP))                                                \
  /* Muon before its matrices are orthogonalised, SU where an epsilon enters, with decay as MLX has it; and after. */  \
  UPDATE_MADE(X, update, TWO(GD, D_TO_U), THREE(SD, GD, D_TO_U))                                                       \
  UPDATE_MADE(X, update_scaled, THREE(GD, D_TO_U, SU), FOUR(SD, GD, D_TO_U, SU))                                       \
  UPDATE_MADE(X, update_nesterov, THREE(GD, D_TO_U, GU), FOUR(SD, GD, D_TO_U, GU))                                     \
  UPDATE_MADE(X, update_nesterov_scaled, FOUR(GD, D_TO_U, SU, GU), FIVE(SD, GD, D_TO_U, SU, GU))                       \
  UPDATE_MADE(X, update_decay, THREE(GD, PD, D_TO_U), FOUR(SD, GD, PD, D_TO_U))                                        \
  UPDATE_MADE(X, update_nesterov_decay, FIVE(GD, PD, D_TO_U, GU, PU), SIX(SD, GD, PD, D_TO_U, GU, PU))                 \
  UPDATE_MADE(X, update_decay_scaled, FOUR(GD, PD, D_TO_U, SU), FIVE(SD, GD, PD, D_TO_U, SU))                          \
  UPDATE_MADE(X, update_nesterov_decay_scaled, SIX(GD, PD, D_TO_U, SU, GU, PU), SEVEN(SD, GD, PD, D_TO_U, SU, GU, PU)) \
  UPDATE_TAKEN(X, update_taken, 1, ONE(UP))                                                                            \
  UPDATE_TAKEN(X, update_taken_decay, 3, THREE(COPY_P, CP, UP))                                                        \
  /* The correction of a step in one pass. */                                                                          \
  X(correction, TWO(GD, GP))                                                                                           \
  X(correction_cleared, THREE(CLEAR, GD, GP))                                                                          \
  /* Clips in place. */                                                                                                \
  X(scale_gradient, ONE(SG))                                                                                           \
  X(clear_gradient, ONE(CLEAR_IN_PLACE))                                                                               \
  X(clamp_gradient, ONE(CLAMP_IN_PLACE))                                                                               \
  X(clear_scale_gradient, TWO(CLEAR_IN_PLACE, SG))                                                                     \
  X(clamp_scale_gradient, TWO(CLAMP_IN_PLACE, SG))

// The programs that have loops which also sum squares: for clipping by value behind a clamp.
#define SUMMING_PROGRAMS(X)                             \
  X(plain, ONE(GP))                                     \
  X(momentum, TWO(GD, DP))                              \
  X(scaled_momentum, THREE(SD, GD, DP))                 \
  X(decay, THREE(GD, PD, DP))                           \
  X(scaled_decay, FOUR(SD, GD, PD, DP))                 \
  X(decoupled_decay, FOUR(COPY_P, GD, CP, DP))          \
  X(scaled_decoupled_decay, FIVE(COPY_P, SD, GD, CP, DP)) \
  X(nesterov, THREE(GD, GP, DP))                        \
  X(scaled_nesterov, FOUR(SD, GD, GP, DP))

#define CLEARED(X, name, program) X(name##_cleared, CLEAR | (program) << 8)

// The programs of steps in one pass, which go on piece by piece.
#define SPECULATIVE_PROGRAMS(X)                                        \
  SUMMING_PROGRAMS(X)                                                  \
  X(nesterov_decay, SIX(COPY_P, GD, PD, CP, GP, DP))                   \
  X(scaled_nesterov_decay, SEVEN(COPY_P, SD, GD, PD, CP, GP, DP))      \
  CLEARED(X, plain, ONE(GP))                                           \
  CLEARED(X, momentum, TWO(GD, DP))                                    \
  CLEARED(X, scaled_momentum, THREE(SD, GD, DP))                       \
  CLEARED(X, decay, THREE(GD, PD, DP))                                 \
  CLEARED(X, scaled_decay, FOUR(SD, GD, PD, DP))                       \
  CLEARED(X, nesterov, THREE(GD, GP, DP))                              \
  CLEARED(X, scaled_nesterov, FOUR(SD, GD, GP, DP))

// The usual ways to keep vectors in half precision: gradients, direction, parameters.
#define HALF_STORAGES(X, name, program)               \
  X(name, program, BFLOAT16, FLOAT, FLOAT)            \
  X(name, program, BFLOAT16, FLOAT, WITH_BFLOAT16)    \
  X(name, program, BFLOAT16, FLOAT, SPLIT)            \
  X(name, program, BFLOAT16, FLOAT, NEAREST)          \
  X(name, program, BFLOAT16, FLOAT, STOCHASTIC)       \
  X(name, program, BFLOAT16, BFLOAT16, FLOAT)         \
  X(name, program, BFLOAT16, BFLOAT16, WITH_BFLOAT16) \
  X(name, program, BFLOAT16, BFLOAT16, SPLIT)         \
  X(name, program, BFLOAT16, BFLOAT16, NEAREST)       \
  X(name, program, BFLOAT16, BFLOAT16, STOCHASTIC)    \
  X(name, program, FLOAT16, FLOAT, FLOAT)             \
  X(name, program, FLOAT16, FLOAT, WITH_FLOAT16)      \
  X(name, program, FLOAT, FLOAT, WITH_BFLOAT16)       \
  X(name, program, FLOAT, FLOAT, WITH_FLOAT16)        \
  X(name, program, FLOAT, FLOAT, SPLIT)               \
  X(name, program, FLOAT, BFLOAT16, FLOAT)

// The programs that have a loop for each of them. All keep a direction, and no average.
#define HALF_PROGRAMS(X)                                          \
  X(momentum, TWO(GD, DP))                                        \
  X(scaled_momentum, THREE(SD, GD, DP))                           \
  X(decoupled_decay, FOUR(COPY_P, GD, CP, DP))                    \
  X(scaled_decoupled_decay, FIVE(COPY_P, SD, GD, CP, DP))         \
  X(nesterov, THREE(GD, GP, DP))                                  \
  X(scaled_nesterov, FOUR(SD, GD, GP, DP))

#endif
