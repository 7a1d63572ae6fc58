// Chooses among the kernels at run time.
#include "limit_table.h"

// The kernels of a path, or NULL where this processor cannot run them.
static const momentum_limit_table *table(momentum_limit_path path) {
  switch (path) {
    case MOMENTUM_LIMIT_PORTABLE: return &momentum_limit_portable;
#if defined(__x86_64__)
    case MOMENTUM_LIMIT_AVX2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &momentum_limit_avx2 : NULL;
    case MOMENTUM_LIMIT_AVX512: return __builtin_cpu_supports("avx512f") ? &momentum_limit_avx512 : NULL;
#elif defined(__aarch64__)
    case MOMENTUM_LIMIT_NEON: return &momentum_limit_neon;
#endif
    default: return NULL;
  }
}

bool momentum_limit_available(momentum_limit_path path) { return table(path) != NULL; }

momentum_limit_path momentum_limit_best(void) {
  // Widest first; a processor has one family of them only.
  const momentum_limit_path paths[] = {MOMENTUM_LIMIT_AVX512, MOMENTUM_LIMIT_AVX2, MOMENTUM_LIMIT_NEON};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
    if (momentum_limit_available(paths[i])) return paths[i];
  return MOMENTUM_LIMIT_PORTABLE;
}

const char *momentum_limit_name(momentum_limit_path path) {
  switch (path) {
    case MOMENTUM_LIMIT_AVX2: return "AVX2";
    case MOMENTUM_LIMIT_AVX512: return "AVX-512";
    case MOMENTUM_LIMIT_NEON: return "NEON";
    default: return "portable";
  }
}

double momentum_limit_squares_float(momentum_limit_path path, const float *x, size_t n) {
  return table(path)->squares_float(x, n);
}

double momentum_limit_squares_double(momentum_limit_path path, const double *x, size_t n) {
  return table(path)->squares_double(x, n);
}

double momentum_limit_clamped_squares_float(
    momentum_limit_path path, const float *x, size_t n, double lower, double upper) {
  return table(path)->clamped_squares_float(x, n, lower, upper);
}

double momentum_limit_clamped_squares_double(
    momentum_limit_path path, const double *x, size_t n, double lower, double upper) {
  return table(path)->clamped_squares_double(x, n, lower, upper);
}

void momentum_limit_scale_float(momentum_limit_path path, double factor, float *x, size_t n) {
  table(path)->scale_float(factor, x, n);
}

void momentum_limit_scale_double(momentum_limit_path path, double factor, double *x, size_t n) {
  table(path)->scale_double(factor, x, n);
}

void momentum_limit_update_float(
    momentum_limit_path path, const momentum_limit_update *update, const float *g, float *v, float *p, size_t n) {
  table(path)->update_float(update, g, v, p, n);
}

void momentum_limit_update_double(
    momentum_limit_path path, const momentum_limit_update *update, const double *g, double *v, double *p, size_t n) {
  table(path)->update_double(update, g, v, p, n);
}
