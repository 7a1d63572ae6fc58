// The loops of fused_template.h for programs that clamp the gradient, which also add up the squares of each tile as the bounds leave its
// elements, and count those that the bounds change. Follows speculative_template.h.

INLINE ptrdiff_t SUMMED(run_clamping)(
    NAME(loop) *loop, momentum_fused_signature program, SCALAR *const *operands, const SCALAR *factors, ptrdiff_t n,
    ptrdiff_t tile, SCALAR *tiles, NAME(finish_squares) *finish) {
  SCALAR *own[MOMENTUM_FUSED_COPY];
  SCALAR own_factors[2 * MOMENTUM_FUSED_LONGEST];
  memcpy(own, operands, sizeof own);
  memcpy(own_factors, factors, sizeof own_factors);
  const SCALAR *gradient = own[MOMENTUM_FUSED_GRADIENT];
  const SCALAR lower = own_factors[0], upper = own_factors[MOMENTUM_FUSED_LONGEST];
  ptrdiff_t i = 0, changed = 0;
  while (i < n) {
    const ptrdiff_t end = n - i < tile ? n : i + tile;
    SUMMED(lanes) sum = SUMMED(nothing)();
    for (; i + SUMMED(block) <= end; i += SUMMED(block)) {
#pragma clang loop unroll(full)
      for (int k = 0; k < VECTORS; k++) {
        const VECTOR given = LOAD(gradient + i + k * WIDTH);
        const NAME(registers) x = NAME(run_part)(program, own, own_factors, i + k * WIDTH, ALL);
        const VECTOR clamped = x.operand[MOMENTUM_FUSED_GRADIENT];
        sum.of[k] = FMA(clamped, clamped, sum.of[k]);
        changed += DIFFERING(given, clamped);
      }
    }
    SCALAR rest[SUMMED(block)];
    changed += SUMMED(clamp_rest)(gradient + i, end - i, lower, upper, rest);
    *tiles++ = SUMMED(end)(sum, rest, end - i, finish);
    for (; i + WIDTH <= end; i += WIDTH) NAME(run_vector)(program, own, own_factors, i);
    if (i < end) NAME(finish)(loop, program, own, own_factors, i, end - i);
    i = end;
  }
  return changed;
}

#define CLAMPED(program) (CLAMP | (program) << 8)

#define DEFINE(name, program)                                                                     \
  TARGET static ptrdiff_t SUMMED(name##_clamped)(                                                 \
      SCALAR *const *operands, const SCALAR *factors, ptrdiff_t n, ptrdiff_t tile, SCALAR *tiles, \
      NAME(finish_squares) *finish) {                                                             \
    return SUMMED(run_clamping)(                                                                  \
        NAME(name##_clamped), CLAMPED(program), operands, factors, n, tile, tiles, finish);       \
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
