// Chooses among the kernels at run time.
#include "limit_table.h"

#if defined(__x86_64__)
static bool has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
#endif

// The kernels of a path, or NULL where this processor cannot run them.
static const momentum_limit_table *table(momentum_limit_path path) {
  switch (path) {
    case MOMENTUM_LIMIT_PORTABLE: return &momentum_limit_portable;
#if defined(__x86_64__)
    case MOMENTUM_LIMIT_AVX2:
      return has_avx2() ? &momentum_limit_avx2 : NULL;
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

double momentum_limit_update_float(
    momentum_limit_path path, const momentum_limit_update *update, const float *g, float *v, float *p, size_t n) {
  return table(path)->update_float(update, g, v, p, n);
}

double momentum_limit_update_double(
    momentum_limit_path path, const momentum_limit_update *update, const double *g, double *v, double *p, size_t n) {
  return table(path)->update_double(update, g, v, p, n);
}

void momentum_limit_adamw_float(
    momentum_limit_path path, const momentum_limit_moments *moments, const float *g, float *m, float *s, float *p, size_t n) {
  table(path)->adamw_float(moments, g, m, s, p, n);
}

void momentum_limit_adamw_double(
    momentum_limit_path path, const momentum_limit_moments *moments, const double *g, double *m, double *s, double *p,
    size_t n) {
  table(path)->adamw_double(moments, g, m, s, p, n);
}

void momentum_limit_update_half(
    momentum_limit_path path, momentum_limit_storage storage, const momentum_limit_update *update,
    const momentum_limit_vectors *vectors, size_t n, momentum_limit_random random) {
  table(path)->update_half(update, storage, vectors, n, random);
}

double momentum_limit_squares_half(momentum_limit_path path, const uint16_t *x, size_t n, bool is_float16) {
  return table(path)->squares_half(x, n, is_float16);
}

void momentum_limit_widen(momentum_limit_path path, const uint16_t *x, float *y, size_t n, bool is_float16) {
  table(path)->widen(x, y, n, is_float16);
}

void momentum_limit_narrow(momentum_limit_path path, const float *x, uint16_t *y, size_t n) {
  table(path)->narrow(x, y, n);
}

void momentum_limit_narrow_at_random(
    momentum_limit_path path, const float *x, uint16_t *y, size_t n, momentum_limit_random random) {
  table(path)->narrow_at_random(x, y, n, random);
}
