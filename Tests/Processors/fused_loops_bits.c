// Compares the loops of whole programs with the same operations one after another on one element at a time, bit for bit, for
// Scripts/test-processors.sh: every variant that this processor runs, all programs, both element types. Prints what was compared;
// exits 1 at the first difference. To be compiled without contraction: the operations here are rounded one by one.

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fused_loops.h"

static uint64_t state = 1;

static uint64_t next(void) {
  state = state * 6364136223846793005 + 1442695040888963407;
  return state ^ state >> 29;
}

static double uniform(void) { return (double)(int64_t)next() * 0x1p-63; }

// More than the widest vectors, unrolled, take at a time.
enum { MOST = 140, ROOM = MOST + 32, VECTORS = MOMENTUM_FUSED_COPY, GUARD = 0xfb };

#define COMPARE(type, suffix, multiply_add, root)                                                                        \
  /* Runs a program on one element of each vector, the last one the copy. What a filter makes of the gradient without    \
     writing it is for the operations after it only. */                                                                  \
  static void interpret_##suffix(momentum_fused_signature program, type *x, const type *factors) {                       \
    const type before = x[MOMENTUM_FUSED_GRADIENT];                                                                      \
    int is_filtered = 0;                                                                                                 \
    for (int position = 0; position < MOMENTUM_FUSED_LONGEST && program >> (8 * position) & 0xff; position++) {          \
      const unsigned code = (unsigned)(program >> (8 * position) & 0xff) - 1;                                            \
      const unsigned verb = code / MOMENTUM_FUSED_OPERANDS, into = code % MOMENTUM_FUSED_OPERANDS;                       \
      const type from = x[verb % MOMENTUM_FUSED_OPERANDS];                                                               \
      const type factor = factors[position], bound = factors[MOMENTUM_FUSED_LONGEST + position], scaled = factor * from; \
      if (verb < MOMENTUM_FUSED_ASSIGN) {                                                                                \
        x[into] = multiply_add(factor, from, x[into]);                                                                   \
      } else if (verb < MOMENTUM_FUSED_AVERAGE_SQUARES) {                                                                \
        x[into] = from;                                                                                                  \
      } else if (verb < MOMENTUM_FUSED_DIVIDE_BY_ROOT) {                                                                 \
        x[into] = bound * x[into] + scaled * scaled;                                                                     \
      } else if (verb < MOMENTUM_FUSED_SCAL) {                                                                           \
        x[into] = x[into] / (root(from) + factor);                                                                       \
      } else if (verb == MOMENTUM_FUSED_SCAL) {                                                                          \
        x[into] = factor * x[into];                                                                                      \
      } else if (verb == MOMENTUM_FUSED_SIGN) {                                                                          \
        if (!isnan(x[into])) x[into] = (type)((x[into] > 0) - (x[into] < 0));                                            \
      } else {                                                                                                           \
        type *gradient = &x[MOMENTUM_FUSED_GRADIENT];                                                                    \
        if (verb == MOMENTUM_FUSED_CLEAR) *gradient = isfinite(*gradient) ? *gradient : 0;                               \
        else *gradient = *gradient < factor ? factor : *gradient > bound ? bound : *gradient;                            \
        if (into == MOMENTUM_FUSED_COPY) is_filtered = 1;                                                                \
      }                                                                                                                  \
    }                                                                                                                    \
    if (is_filtered) x[MOMENTUM_FUSED_GRADIENT] = before;                                                                \
  }                                                                                                                      \
                                                                                                                         \
  static type number_##suffix(void) {                                                                                    \
    const type special[] = {(type)INFINITY, (type)-INFINITY, (type)NAN, 0, (type)-0.0, (type)0.25, (type)-0.25,          \
                            suffix##_least, suffix##_largest, -suffix##_largest};                                        \
    return next() % 8 ? (type)uniform() : special[next() % (sizeof special / sizeof *special)];                          \
  }                                                                                                                      \
                                                                                                                         \
  static void compare_##suffix(                                                                                          \
      const char *name, momentum_fused_signature program, momentum_fused_loop_##suffix *loop, int n, int shift,          \
      int backwards) {                                                                                                   \
    static type memory[VECTORS][ROOM], expected[VECTORS][ROOM];                                                          \
    type *operands[VECTORS], factors[2 * MOMENTUM_FUSED_LONGEST];                                                        \
    memset(memory, GUARD, sizeof memory);                                                                                \
    for (int k = 0; k < VECTORS; k++) {                                                                                  \
      /* Vectors start at different distances from a multiple of their length. */                                        \
      operands[k] = memory[k] + 1 + (shift + 3 * k) % 16;                                                                \
      for (int i = 0; i < n; i++) operands[k][i] = number_##suffix();                                                    \
    }                                                                                                                    \
    for (int k = 0; k < MOMENTUM_FUSED_LONGEST; k++) {                                                                   \
      factors[k] = (type)(-0.25 + 0.05 * uniform());                                                                     \
      factors[MOMENTUM_FUSED_LONGEST + k] = (type)(0.25 + 0.05 * uniform());                                             \
    }                                                                                                                    \
    memcpy(expected, memory, sizeof memory);                                                                             \
    for (int i = 0; i < n; i++) {                                                                                        \
      type x[MOMENTUM_FUSED_OPERANDS] = {0};                                                                             \
      for (int k = 0; k < VECTORS; k++) x[k] = operands[k][i];                                                           \
      interpret_##suffix(program, x, factors);                                                                           \
      for (int k = 0; k < VECTORS; k++) expected[k][operands[k] - memory[k] + i] = x[k];                                 \
    }                                                                                                                    \
    loop(operands, factors, n, backwards);                                                                               \
    for (int k = 0; k < VECTORS; k++) {                                                                                  \
      for (int i = 0; i < ROOM; i++) {                                                                                   \
        const type *x = &expected[k][i], *y = &memory[k][i];                                                             \
        /* A NaN is one, whatever its payload, but not in the guards. */                                                 \
        const ptrdiff_t place = y - operands[k];                                                                         \
        if (!memcmp(x, y, sizeof *x) || (place >= 0 && place < n && isnan(*x) && isnan(*y))) continue;                   \
        printf("%s, " #type ", program %llx, %d elements, shift %d, backwards %d: vector %d has %a at %td, not %a\n",    \
               name, (unsigned long long)program, n, shift, backwards, k, (double)*y, place, (double)*x);                \
        exit(1);                                                                                                         \
      }                                                                                                                  \
    }                                                                                                                    \
  }

static const float float_least = 0x1p-149f, float_largest = 0x1.fffffep127f;
static const double double_least = 0x1p-1074, double_largest = 0x1.fffffffffffffp1023;
COMPARE(float, float, fmaf, sqrtf)
COMPARE(double, double, fma, sqrt)

int main(void) {
  const momentum_fused_loops *loops;
  for (int variant = 0; (loops = momentum_fused_loops_variant(variant)); variant++) {
    int programs = 0;
    momentum_fused_signature program;
    for (; (program = momentum_fused_program(programs)); programs++) {
      for (int n = 0; n <= MOST - 16; n++) {
        for (int backwards = 0; backwards < 2; backwards++) {
          compare_float(loops->name, program, loops->find_float(program), n, n % 16, backwards);
          compare_double(loops->name, program, loops->find_double(program), n, n % 16, backwards);
        }
      }
    }
    printf("%s: %d fused programs, float and double, have the bits of their operations\n", loops->name, programs);
  }
  return 0;
}
