// Chooses among the loops on half precision at run time.
#include "fused_variants.h"

#define VARIANT(name)                                                                                                    \
  static const void *find_##name(momentum_fused_signature program, int storage) {                                        \
    return (const void *)fused_##name##_find_half(program, storage);                                                     \
  }                                                                                                                      \
  static momentum_fused_losses run_##name(                                                                               \
      const void *loop, int storage, const momentum_fused_halves *x, const float *factors, ptrdiff_t n) {                \
    return fused_##name##_run_half((momentum_fused_half_loop *)loop, storage, x, factors, n);                            \
  }

#if defined(__x86_64__)

VARIANT(avx2)
VARIANT(avx512)

static const momentum_fused_half_loops variants[] = {{"AVX2", find_avx2, run_avx2}, {"AVX-512", find_avx512, run_avx512}};

// The processors of one variant run all that come before it.
static int variant_count(void) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c")) return 0;
  int has_wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return has_wide ? 2 : 1;
}

#elif defined(__aarch64__)

VARIANT(neon)

static const momentum_fused_half_loops variants[] = {{"NEON", find_neon, run_neon}};

static int variant_count(void) { return 1; }

#else

static const momentum_fused_half_loops variants[] = {{NULL, NULL, NULL}};

static int variant_count(void) { return 0; }

#endif

const momentum_fused_half_loops *momentum_fused_half_loops_variant(int position) {
  return position >= 0 && position < variant_count() ? &variants[position] : NULL;
}

const void *momentum_find_fused_half_loop(momentum_fused_signature program, int storage) {
  const int count = variant_count();
  return count ? variants[count - 1].find(program, storage) : NULL;
}

momentum_fused_losses momentum_run_fused_half_loop(
    const void *loop, int storage, const momentum_fused_halves *x, const float *factors, ptrdiff_t n) {
  return variants[variant_count() - 1].run(loop, storage, x, factors, n);
}
