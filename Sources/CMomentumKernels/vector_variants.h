#ifndef MOMENTUM_VECTOR_VARIANTS_H
#define MOMENTUM_VECTOR_VARIANTS_H

// How many of the variants of a loop this processor runs, which are written for its vectors: on x86-64 those for AVX2, then those
// for AVX-512, on aarch64 those for NEON. The processors of one variant run all that come before it. One that is not known to fuse
// multiplications with additions runs none: it would call a function for every element.
static inline int variant_count(void) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("popcnt")) return 0;
  return __builtin_cpu_supports("avx512f") ? 2 : 1;
#elif defined(__aarch64__)
  return 1;
#else
  return 0;
#endif
}

#endif
