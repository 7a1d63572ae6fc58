// The loops of fused_template.h for programs that clamp the gradient, which also add up the squares of its elements as the bounds
// leave them, and count those that the bounds change. Follows speculative_template.h.

INLINE ptrdiff_t SUMMED(run_clamping)(
    momentum_fused_signature program, SCALAR *const *operands, const SCALAR *factors, ptrdiff_t n, SCALAR *lanes) {
  SCALAR *own[MOMENTUM_FUSED_COPY];
  SCALAR own_factors[2 * MOMENTUM_FUSED_LONGEST];
  memcpy(own, operands, sizeof own);
  memcpy(own_factors, factors, sizeof own_factors);
  SUMMED(lanes) sum = SUMMED(nothing)();
  ptrdiff_t changed = 0;
  for (ptrdiff_t i = 0; i < n; i += SUMMED(block)) {
#pragma clang loop unroll(full)
    for (int k = 0; k < VECTORS; k++) {
      const VECTOR given = LOAD(own[MOMENTUM_FUSED_GRADIENT] + i + k * WIDTH);
      const NAME(registers) x = NAME(run_part)(program, own, own_factors, i + k * WIDTH, ALL);
      const VECTOR clamped = x.operand[MOMENTUM_FUSED_GRADIENT];
      sum.of[k] = FMA(clamped, clamped, sum.of[k]);
      changed += DIFFERING(given, clamped);
    }
  }
  SUMMED(store)(lanes, sum);
  return changed;
}

#define CLAMPED(program) (CLAMP | (program) << 8)

#define DEFINE(name, program)                                                                    \
  TARGET static ptrdiff_t SUMMED(name##_clamped)(                                                \
      SCALAR *const *operands, const SCALAR *factors, ptrdiff_t n, SCALAR *lanes) {              \
    return SUMMED(run_clamping)(CLAMPED(program), operands, factors, n, lanes);                  \
  }
SUMMING_PROGRAMS(DEFINE)
#undef DEFINE

#define FOUND(name, program) \
  case CLAMPED(program): return SUMMED(name##_clamped);
NAME(clamping_loop) *SUMMED(find_clamping)(momentum_fused_signature program) {
  switch (program) {
    SUMMING_PROGRAMS(FOUND)
    default: return NULL;
  }
}
#undef FOUND

#undef CLAMPED
