#ifndef MOMENTUM_SQUARES_VARIANTS_H
#define MOMENTUM_SQUARES_VARIANTS_H

// What the files of the single instruction sets define; made from squares_template.h. A name says the order of summation by a core
// type of OpenBLAS whose kernels have it.

#include "fused_variants.h"
#include "squares_loops.h"

typedef struct {
  momentum_squares_variant variant;
  void (*squares)(const float *x, ptrdiff_t n, ptrdiff_t tile, int fetches, float *sums);
  ptrdiff_t (*clamped)(const float *x, ptrdiff_t n, float lower, float upper, float *sums);
  momentum_finish_squares_of_float *finish;
  momentum_speculative_loop_float *(*find_speculative)(momentum_fused_signature program);
  momentum_clamping_loop_float *(*find_clamping)(momentum_fused_signature program);
} squares_loops_float;

typedef struct {
  momentum_squares_variant variant;
  void (*squares)(const double *x, ptrdiff_t n, ptrdiff_t tile, int fetches, double *sums);
  ptrdiff_t (*clamped)(const double *x, ptrdiff_t n, double lower, double upper, double *sums);
  momentum_finish_squares_of_double *finish;
  momentum_speculative_loop_double *(*find_speculative)(momentum_fused_signature program);
  momentum_clamping_loop_double *(*find_clamping)(momentum_fused_signature program);
} squares_loops_double;

#if defined(__x86_64__)
// A kernel that was compiled for fused multiply-add adds the last `Double`s of a call by it as well.
extern const squares_loops_float squares_avx2_haswell_float_loops;
extern const squares_loops_double squares_avx2_haswell_double_loops, squares_avx2_haswell_fused_double_loops;
extern const squares_loops_float squares_avx512_haswell_float_loops, squares_avx512_skylakex_float_loops;
extern const squares_loops_double squares_avx512_haswell_double_loops, squares_avx512_haswell_fused_double_loops;
extern const squares_loops_double squares_avx512_skylakex_double_loops, squares_avx512_skylakex_fused_double_loops;
#endif

#endif
