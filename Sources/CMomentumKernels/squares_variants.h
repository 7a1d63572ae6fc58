#ifndef MOMENTUM_SQUARES_VARIANTS_H
#define MOMENTUM_SQUARES_VARIANTS_H

// What the files of the single instruction sets define; made from squares_template.h.

#include "squares_loops.h"

#if defined(__x86_64__)
momentum_squares_loop_float squares_avx2_float_squares;
// A kernel that was compiled for fused multiply-add adds the last elements of a call by it as well.
momentum_squares_loop_double squares_avx2_double_squares;
momentum_squares_loop_double squares_avx2_fused_double_squares;
momentum_finished_squares_float squares_avx2_float_finish;
momentum_finished_squares_double squares_avx2_double_finish;
momentum_finished_squares_double squares_avx2_fused_double_finish;
momentum_clamped_squares_float squares_avx2_float_clamped;
momentum_clamped_squares_double squares_avx2_double_clamped;
momentum_clamped_squares_double squares_avx2_fused_double_clamped;
#endif

#endif
