// The loops of this processor, by their positions.
#include "squares_variants.h"
#include "vector_variants.h"

#if defined(__x86_64__)

static const squares_loops_float *const floats[] = {
    &squares_avx2_haswell_float_loops, &squares_avx512_haswell_float_loops, &squares_avx512_skylakex_float_loops};
static const squares_loops_double *const doubles[] = {
    &squares_avx2_haswell_double_loops,    &squares_avx2_haswell_fused_double_loops,
    &squares_avx512_haswell_double_loops,  &squares_avx512_haswell_fused_double_loops,
    &squares_avx512_skylakex_double_loops, &squares_avx512_skylakex_fused_double_loops};

// How many of them run on processors of each kind: without AVX2, with it, with AVX-512.
static const int float_counts[] = {0, 1, 3}, double_counts[] = {0, 2, 6};

static int float_count(void) { return float_counts[variant_count()]; }
static int double_count(void) { return double_counts[variant_count()]; }

#else

static const squares_loops_float *const floats[] = {NULL};
static const squares_loops_double *const doubles[] = {NULL};

static int float_count(void) { return 0; }
static int double_count(void) { return 0; }

#endif

static const momentum_squares_variant no_variant = {NULL, 0, 0, 0, 0};

const momentum_squares_variant *momentum_squares_variant_float(int position) {
  return position >= 0 && position < float_count() ? &floats[position]->variant : &no_variant;
}

const momentum_squares_variant *momentum_squares_variant_double(int position) {
  return position >= 0 && position < double_count() ? &doubles[position]->variant : &no_variant;
}

void momentum_squares_float(int position, const float *x, ptrdiff_t n, ptrdiff_t tile, int fetches, float *sums) {
  floats[position]->squares(x, n, tile, fetches, sums);
}

void momentum_squares_double(int position, const double *x, ptrdiff_t n, ptrdiff_t tile, int fetches, double *sums) {
  doubles[position]->squares(x, n, tile, fetches, sums);
}

ptrdiff_t momentum_squares_clamped_float(
    int position, const float *x, ptrdiff_t n, float lower, float upper, float *sums) {
  return floats[position]->clamped(x, n, lower, upper, sums);
}

ptrdiff_t momentum_squares_clamped_double(
    int position, const double *x, ptrdiff_t n, double lower, double upper, double *sums) {
  return doubles[position]->clamped(x, n, lower, upper, sums);
}

momentum_speculative_loop_float *momentum_find_speculative_loop_float(int position, momentum_fused_signature program) {
  return floats[position]->find_speculative(program);
}

momentum_speculative_loop_double *momentum_find_speculative_loop_double(int position, momentum_fused_signature program) {
  return doubles[position]->find_speculative(program);
}

ptrdiff_t momentum_run_speculative_loop_float(
    int position, const void *loop, float *const *operands, const float *factors, ptrdiff_t n,
    const momentum_speculation *given, double *total, float *tiles) {
  return ((momentum_speculative_loop_float *)loop)(operands, factors, n, given, total, tiles, floats[position]->finish);
}

ptrdiff_t momentum_run_speculative_loop_double(
    int position, const void *loop, double *const *operands, const double *factors, ptrdiff_t n,
    const momentum_speculation *given, double *total, double *tiles) {
  return ((momentum_speculative_loop_double *)loop)(operands, factors, n, given, total, tiles, doubles[position]->finish);
}

momentum_clamping_loop_float *momentum_find_clamping_loop_float(int position, momentum_fused_signature program) {
  return floats[position]->find_clamping(program);
}

momentum_clamping_loop_double *momentum_find_clamping_loop_double(int position, momentum_fused_signature program) {
  return doubles[position]->find_clamping(program);
}

ptrdiff_t momentum_run_clamping_loop_float(
    int position, const void *loop, float *const *operands, const float *factors, ptrdiff_t n, ptrdiff_t tile, float *tiles) {
  return ((momentum_clamping_loop_float *)loop)(operands, factors, n, tile, tiles, floats[position]->finish);
}

ptrdiff_t momentum_run_clamping_loop_double(
    int position, const void *loop, double *const *operands, const double *factors, ptrdiff_t n, ptrdiff_t tile,
    double *tiles) {
  return ((momentum_clamping_loop_double *)loop)(operands, factors, n, tile, tiles, doubles[position]->finish);
}
