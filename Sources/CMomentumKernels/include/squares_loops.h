#ifndef MOMENTUM_SQUARES_LOOPS_H
#define MOMENTUM_SQUARES_LOOPS_H

#include <stddef.h>

// Sums of the squares of tiles with the bits of a dot product of BLAS, several tiles at a time.
//
// A kernel of BLAS adds products to a few vectors, and waits for each addition before the next one to the same vector. Its bits
// are those of this order. A loop here keeps the order within a tile, but goes through up to three tiles side by side, so that
// it has something to add while it waits; and it reads each element once, where a dot product reads two vectors.
//
// Which variant has the bits of the loaded BLAS, if any, is for the caller to find out by comparison.

// The most tiles of a call.
enum { MOMENTUM_SQUARES_TILES = 3 };

// Sums the squares of n > 0 elements, tile by tile: the last tile may be shorter, and there are at most three. A tile is a multiple of
// 32 elements.
typedef void momentum_squares_loop_float(const float *x, ptrdiff_t n, ptrdiff_t tile, float *sums);
typedef void momentum_squares_loop_double(const double *x, ptrdiff_t n, ptrdiff_t tile, double *sums);

// Sums the squares of a tile of n > 0 elements, and those of its elements as momentum_clamp_float leaves them, with the bits of
// dot products of the one and the other; returns how many elements the bounds change.
typedef ptrdiff_t momentum_clamped_squares_float(const float *x, ptrdiff_t n, float lower, float upper, float *sums);
typedef ptrdiff_t momentum_clamped_squares_double(const double *x, ptrdiff_t n, double lower, double upper, double *sums);

// The sum of a tile whose blocks another loop has added up, lane by lane: the lanes, and the n last elements, which fill no block.
typedef float momentum_finished_squares_float(const float *lanes, const float *rest, ptrdiff_t n);
typedef double momentum_finished_squares_double(const double *lanes, const double *rest, ptrdiff_t n);

// The vectors that the variant at a position from 0 on uses, such as "AVX2"; behind the last one that this processor runs, NULL.
const char *momentum_squares_vectors(int position);

// Run the variant at a position.
void momentum_squares_float(int position, const float *x, ptrdiff_t n, ptrdiff_t tile, float *sums);
void momentum_squares_double(int position, const double *x, ptrdiff_t n, ptrdiff_t tile, double *sums);
float momentum_finish_squares_float(int position, const float *lanes, const float *rest, ptrdiff_t n);
double momentum_finish_squares_double(int position, const double *lanes, const double *rest, ptrdiff_t n);
ptrdiff_t momentum_squares_clamped_float(int position, const float *x, ptrdiff_t n, float lower, float upper, float *sums);
ptrdiff_t momentum_squares_clamped_double(int position, const double *x, ptrdiff_t n, double lower, double upper, double *sums);

#endif
