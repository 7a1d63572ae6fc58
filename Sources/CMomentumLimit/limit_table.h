#ifndef MOMENTUM_LIMIT_TABLE_H
#define MOMENTUM_LIMIT_TABLE_H

#include <string.h>

#include "momentum_limit.h"

// The kernels of one instruction set.
typedef struct momentum_limit_table {
  double (*squares_float)(const float *, size_t);
  double (*squares_double)(const double *, size_t);
  double (*clamped_squares_float)(const float *, size_t, double, double);
  double (*clamped_squares_double)(const double *, size_t, double, double);
  void (*scale_float)(double, float *, size_t);
  void (*scale_double)(double, double *, size_t);
  double (*update_float)(const momentum_limit_update *, const float *, float *, float *, size_t);
  double (*update_double)(const momentum_limit_update *, const double *, double *, double *, size_t);
  void (*adamw_float)(const momentum_limit_moments *, const float *, float *, float *, float *, size_t);
  void (*adamw_double)(const momentum_limit_moments *, const double *, double *, double *, double *, size_t);
  void (*update_half)(
      const momentum_limit_update *, momentum_limit_storage, const momentum_limit_vectors *, size_t, momentum_limit_random);
  double (*squares_half)(const uint16_t *, size_t, bool);
  void (*widen)(const uint16_t *, float *, size_t, bool);
  void (*narrow)(const float *, uint16_t *, size_t);
  void (*narrow_at_random)(const float *, uint16_t *, size_t, momentum_limit_random);
} momentum_limit_table;

#define MOMENTUM_LIMIT_TABLE(f, d, h)                                                                                   \
  {f##_squares, d##_squares, f##_clamped_squares, d##_clamped_squares, f##_scale, d##_scale, f##_update, d##_update, \
   f##_adamw, d##_adamw, h##_update, h##_squares, h##_widen, h##_narrow, h##_narrow_at_random}

extern const momentum_limit_table momentum_limit_portable;
#if defined(__x86_64__)
extern const momentum_limit_table momentum_limit_avx2, momentum_limit_avx512;
#elif defined(__aarch64__)
extern const momentum_limit_table momentum_limit_neon;
#endif

#endif
