#ifndef MOMENTUM_LIMIT_H
#define MOMENTUM_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Hand-fused kernels for `momentum bench`: each does in one loop what the engine does as several BLAS calls on a tile, and
// so moves the same bytes with the least work between them. How fast they run is the practical limit of the memory.

// The instruction sets there is a kernel for.
typedef enum momentum_limit_path {
  MOMENTUM_LIMIT_PORTABLE,
  MOMENTUM_LIMIT_AVX2,
  MOMENTUM_LIMIT_AVX512,
  MOMENTUM_LIMIT_NEON,
} momentum_limit_path;

enum { MOMENTUM_LIMIT_PATH_COUNT = 4 };

// Whether this processor runs the kernel; the portable one always does.
bool momentum_limit_available(momentum_limit_path path);

// The kernel with the widest vectors that this processor runs.
momentum_limit_path momentum_limit_best(void);

const char *momentum_limit_name(momentum_limit_path path);

// One step of one range:
//
//   e = gradient_factor * clamp(g, lower, upper) + decay * p
//   v = momentum * v + e
//   p = p - learning_rate * v         or, nesterov:  p - learning_rate * (e + momentum * v)
//
// What is not asked for is not computed: without velocity v may be NULL and p takes e itself. With sums the kernels of float and
// double return the sum of squares of g, otherwise 0.
typedef struct momentum_limit_update {
  double gradient_factor, momentum, learning_rate, decay, lower, upper;
  bool uses_velocity, nesterov, decays, clamps, sums;
} momentum_limit_update;

// Every function below needs a path that is available. Ranges of different threads must not overlap.

// Sum of squares, in Double over blocks of 4096 elements.
double momentum_limit_squares_float(momentum_limit_path path, const float *x, size_t n);
double momentum_limit_squares_double(momentum_limit_path path, const double *x, size_t n);

// The same of the elements after clamping.
double momentum_limit_clamped_squares_float(momentum_limit_path path, const float *x, size_t n, double lower, double upper);
double momentum_limit_clamped_squares_double(momentum_limit_path path, const double *x, size_t n, double lower, double upper);

// x = factor * x
void momentum_limit_scale_float(momentum_limit_path path, double factor, float *x, size_t n);
void momentum_limit_scale_double(momentum_limit_path path, double factor, double *x, size_t n);

double momentum_limit_update_float(
    momentum_limit_path path, const momentum_limit_update *update, const float *g, float *v, float *p, size_t n);
double momentum_limit_update_double(
    momentum_limit_path path, const momentum_limit_update *update, const double *g, double *v, double *p, size_t n);

// One step of AdamW of one range, the correction of the means taken out of the quotient:
//
//   m = beta1 * m + (1 - beta1) * g
//   s = beta2 * s + (1 - beta2) * g * g
//   p = keep * p - rate * m / (sqrt(s) + epsilon)
typedef struct momentum_limit_moments {
  double beta1, beta2, rate, epsilon, keep;
} momentum_limit_moments;

void momentum_limit_adamw_float(
    momentum_limit_path path, const momentum_limit_moments *moments, const float *g, float *m, float *s, float *p, size_t n);
void momentum_limit_adamw_double(
    momentum_limit_path path, const momentum_limit_moments *moments, const double *g, double *m, double *s, double *p,
    size_t n);

// What a step keeps in half precision. Velocities are floats in all but the last four, and gradients bfloat16 in all but one.
typedef enum momentum_limit_storage {
  MOMENTUM_LIMIT_BFLOAT16_GRADIENT,
  MOMENTUM_LIMIT_FLOAT16_GRADIENT,
  // Parameters of float, and a copy of them in bfloat16.
  MOMENTUM_LIMIT_COPY,
  // Parameters of bfloat16, rounded to nearest with ties away from 0, and what their bits then lack.
  MOMENTUM_LIMIT_REMAINDER,
  // Parameters of bfloat16 alone, to nearest with ties to even, or at random.
  MOMENTUM_LIMIT_NEAREST,
  MOMENTUM_LIMIT_STOCHASTIC,
  // Velocities of bfloat16, rounded to nearest, with parameters of float; of bfloat16, to nearest; of bfloat16 with what their
  // bits lack; and of bfloat16 alone, at random.
  MOMENTUM_LIMIT_VELOCITY,
  MOMENTUM_LIMIT_ALL,
  MOMENTUM_LIMIT_VELOCITY_REMAINDER,
  MOMENTUM_LIMIT_ALL_STOCHASTIC,
} momentum_limit_storage;

// The vectors of such a step; what a storage does not have is NULL.
typedef struct momentum_limit_vectors {
  const uint16_t *gradient;
  float *velocity;
  float *parameters;
  // The copy, or the parameters.
  uint16_t *half;
  int16_t *remainder;
  // In place of `velocity`.
  uint16_t *half_velocity;
} momentum_limit_vectors;

// The random numbers of a range: Philox4x32-10 with the key of a tensor, from its element `index` on.
typedef struct momentum_limit_random {
  uint64_t key, step, index;
} momentum_limit_random;

// One step with momentum, which neither clamps nor decays nor looks ahead.
void momentum_limit_update_half(
    momentum_limit_path path, momentum_limit_storage storage, const momentum_limit_update *update,
    const momentum_limit_vectors *vectors, size_t n, momentum_limit_random random);

// Sum of squares, in Double over blocks of 4096 elements, of binary16 or bfloat16.
double momentum_limit_squares_half(momentum_limit_path path, const uint16_t *x, size_t n, bool is_float16);

// The conversions of a step that goes the long way round, by whole vectors of floats.
void momentum_limit_widen(momentum_limit_path path, const uint16_t *x, float *y, size_t n, bool is_float16);
void momentum_limit_narrow(momentum_limit_path path, const float *x, uint16_t *y, size_t n);
void momentum_limit_narrow_at_random(
    momentum_limit_path path, const float *x, uint16_t *y, size_t n, momentum_limit_random random);

#endif
