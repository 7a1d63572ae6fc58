// Chooses among the loops at run time.
#include "fused_variants.h"
#include "vector_variants.h"

#if defined(__x86_64__)
static const momentum_fused_loops variants[] = {
    {"AVX2", fused_avx2_float_find, fused_avx2_double_find}, {"AVX-512", fused_avx512_float_find, fused_avx512_double_find}};
#elif defined(__aarch64__)
static const momentum_fused_loops variants[] = {{"NEON", fused_neon_float_find, fused_neon_double_find}};
#else
static const momentum_fused_loops variants[] = {{NULL, NULL, NULL}};
#endif

const momentum_fused_loops *momentum_fused_loops_variant(int position) {
  return position >= 0 && position < variant_count() ? &variants[position] : NULL;
}

momentum_fused_loop_float *momentum_find_fused_loop_float(momentum_fused_signature program) {
  const int count = variant_count();
  return count ? variants[count - 1].find_float(program) : NULL;
}

momentum_fused_loop_double *momentum_find_fused_loop_double(momentum_fused_signature program) {
  const int count = variant_count();
  return count ? variants[count - 1].find_double(program) : NULL;
}

const char *momentum_fused_vectors(void) {
  const int count = variant_count();
  return count ? variants[count - 1].name : NULL;
}

int momentum_fused_loops_are_optimized(void) {
#if defined(__OPTIMIZE__)
  return 1;
#else
  return 0;
#endif
}

#define PROGRAM(name, program) program,
static const momentum_fused_signature programs[] = {FUSED_PROGRAMS(PROGRAM)};

momentum_fused_signature momentum_fused_program(int position) {
  return position >= 0 && position < (int)(sizeof programs / sizeof *programs) ? programs[position] : 0;
}
