// The loops of this processor, by their positions.
#include "squares_variants.h"

typedef struct {
  const char *vectors;
  momentum_squares_loop_float *run_float;
  momentum_squares_loop_double *run_double;
  momentum_clamped_squares_float *clamped_float;
  momentum_clamped_squares_double *clamped_double;
  momentum_finished_squares_float *finish_float;
  momentum_finished_squares_double *finish_double;
} squares_loops;

#if defined(__x86_64__)

static const squares_loops variants[] = {
    {"AVX2", squares_avx2_float_squares, squares_avx2_double_squares, squares_avx2_float_clamped,
     squares_avx2_double_clamped, squares_avx2_float_finish, squares_avx2_double_finish},
    {"AVX2", squares_avx2_float_squares, squares_avx2_fused_double_squares, squares_avx2_float_clamped,
     squares_avx2_fused_double_clamped, squares_avx2_float_finish, squares_avx2_fused_double_finish}};

static int variant_count(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 2 : 0; }

#else

static const squares_loops variants[] = {{NULL, NULL, NULL, NULL, NULL, NULL, NULL}};

static int variant_count(void) { return 0; }

#endif

const char *momentum_squares_vectors(int position) {
  return position >= 0 && position < variant_count() ? variants[position].vectors : NULL;
}

void momentum_squares_float(int position, const float *x, ptrdiff_t n, ptrdiff_t tile, float *sums) {
  variants[position].run_float(x, n, tile, sums);
}

void momentum_squares_double(int position, const double *x, ptrdiff_t n, ptrdiff_t tile, double *sums) {
  variants[position].run_double(x, n, tile, sums);
}

float momentum_finish_squares_float(int position, const float *lanes, const float *rest, ptrdiff_t n) {
  return variants[position].finish_float(lanes, rest, n);
}

double momentum_finish_squares_double(int position, const double *lanes, const double *rest, ptrdiff_t n) {
  return variants[position].finish_double(lanes, rest, n);
}

ptrdiff_t momentum_squares_clamped_float(
    int position, const float *x, ptrdiff_t n, float lower, float upper, float *sums) {
  return variants[position].clamped_float(x, n, lower, upper, sums);
}

ptrdiff_t momentum_squares_clamped_double(
    int position, const double *x, ptrdiff_t n, double lower, double upper, double *sums) {
  return variants[position].clamped_double(x, n, lower, upper, sums);
}
