#ifndef MOMENTUM_LIMIT_H
#define MOMENTUM_LIMIT_H

#include <stdbool.h>
#include <stddef.h>

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
// What is not asked for is not computed: without velocity v may be NULL and p takes e itself.
typedef struct momentum_limit_update {
  double gradient_factor, momentum, learning_rate, decay, lower, upper;
  bool uses_velocity, nesterov, decays, clamps;
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

void momentum_limit_update_float(
    momentum_limit_path path, const momentum_limit_update *update, const float *g, float *v, float *p, size_t n);
void momentum_limit_update_double(
    momentum_limit_path path, const momentum_limit_update *update, const double *g, double *v, double *p, size_t n);

#endif
