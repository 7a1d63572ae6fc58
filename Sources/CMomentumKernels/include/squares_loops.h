#ifndef MOMENTUM_SQUARES_LOOPS_H
#define MOMENTUM_SQUARES_LOOPS_H

#include <stddef.h>

#include "fused_loops.h"

// Sums of the squares of tiles with the bits of a dot product of BLAS, several tiles at a time.
//
// A kernel of BLAS adds products to a few vectors, and waits for each addition before the next one to the same vector. Its bits
// are those of this order. A loop here keeps the order within a tile, but goes through several tiles side by side, so that it
// has something to add while it waits; and it reads each element once, where a dot product reads two vectors.
//
// A variant is a loop for one width of vectors and one order. Which has the bits of the loaded BLAS, if any, is for the caller to
// find out by comparison.

// The most tiles of a call, whatever the variant.
enum { MOMENTUM_SQUARES_TILES = 5 };

typedef struct {
  // The vectors that it uses, such as "AVX2".
  const char *vector_name;
  // The most tiles of a call: as many as keep the processor busy.
  ptrdiff_t most;
  // How many tiles a run may have at most for several side by side to take less time than one after the other. What delivers longer
  // runs, from farther away, takes longer than a sum that waits for itself.
  ptrdiff_t near;
  // From how many tiles of a run on, and up to how many, to fetch the next tile while one is summed takes less time: where a
  // last-level cache delivers them.
  ptrdiff_t far, farthest;
} momentum_squares_variant;

// The variant at a position from 0 on, the narrowest vectors first; behind the last one that this processor runs, one whose `vector_name`
// is NULL.
const momentum_squares_variant *momentum_squares_variant_float(int position);
const momentum_squares_variant *momentum_squares_variant_double(int position);

// Sums the squares of n > 0 elements by the variant at a position, tile by tile: the last tile may be shorter, and there are at most
// as many as the variant takes. A tile is a multiple of 64 elements. A tile by itself fetches the next one meanwhile, if `fetches`;
// there need not be one.
void momentum_squares_float(int position, const float *x, ptrdiff_t n, ptrdiff_t tile, int fetches, float *sums);
void momentum_squares_double(int position, const double *x, ptrdiff_t n, ptrdiff_t tile, int fetches, double *sums);

// Sums the squares of a tile of n > 0 elements, and those of its elements as momentum_clamp_float leaves them, with the bits of
// dot products of the one and the other; returns how many elements the bounds change.
ptrdiff_t momentum_squares_clamped_float(int position, const float *x, ptrdiff_t n, float lower, float upper, float *sums);
ptrdiff_t momentum_squares_clamped_double(int position, const double *x, ptrdiff_t n, double lower, double upper, double *sums);

// What finishes the sum of squares of a tile whose blocks have been added up in lanes, of which a variant has its own number: of the
// lanes and of the n last elements, which fill no block.
typedef float momentum_finish_squares_of_float(const float *lanes, const float *rest, ptrdiff_t n);
typedef double momentum_finish_squares_of_double(const double *lanes, const double *rest, ptrdiff_t n);

// What a step in one pass may update without more being known.
typedef struct {
  // The largest sum of squares.
  double largest;
  // The length of a tile, which is a whole number of pieces, and that of a piece, a multiple of 64.
  ptrdiff_t tile, piece;
} momentum_speculation;

// A loop that runs a program on n elements, which begin with a tile, piece by piece, while the squares of each piece have a finite sum
// and all of them one of at most the largest. Before it runs the program on a piece, it adds the dot product of the piece's gradient with itself to *total; while
// it does, it adds up the squares of the next piece, so that these come from a cache the second time. Leaves the dot product of each
// tile that it has updated, and returns the number of elements that it has updated.
typedef ptrdiff_t momentum_speculative_loop_float(
    float *const *operands, const float *factors, ptrdiff_t n, const momentum_speculation *given, double *total,
    float *tiles, momentum_finish_squares_of_float *finish);
typedef ptrdiff_t momentum_speculative_loop_double(
    double *const *operands, const double *factors, ptrdiff_t n, const momentum_speculation *given, double *total,
    double *tiles, momentum_finish_squares_of_double *finish);

// Such a loop of a program; NULL where there is none.
momentum_speculative_loop_float *momentum_find_speculative_loop_float(int position, momentum_fused_signature program);
momentum_speculative_loop_double *momentum_find_speculative_loop_double(int position, momentum_fused_signature program);

// Runs a loop that was found for a variant, given as any pointer.
ptrdiff_t momentum_run_speculative_loop_float(
    int position, const void *loop, float *const *operands, const float *factors, ptrdiff_t n,
    const momentum_speculation *given, double *total, float *tiles);
ptrdiff_t momentum_run_speculative_loop_double(
    int position, const void *loop, double *const *operands, const double *factors, ptrdiff_t n,
    const momentum_speculation *given, double *total, double *tiles);

// A loop that runs a program which clamps the gradient, as its first operation, on n elements, which begin with a tile. Leaves the dot
// product of each tile as the bounds leave its elements, and returns how many the bounds change.
typedef ptrdiff_t momentum_clamping_loop_float(
    float *const *operands, const float *factors, ptrdiff_t n, ptrdiff_t tile, float *tiles,
    momentum_finish_squares_of_float *finish);
typedef ptrdiff_t momentum_clamping_loop_double(
    double *const *operands, const double *factors, ptrdiff_t n, ptrdiff_t tile, double *tiles,
    momentum_finish_squares_of_double *finish);

// Such a loop of a program; NULL where there is none.
momentum_clamping_loop_float *momentum_find_clamping_loop_float(int position, momentum_fused_signature program);
momentum_clamping_loop_double *momentum_find_clamping_loop_double(int position, momentum_fused_signature program);

// Runs a loop that was found for a variant, given as any pointer.
ptrdiff_t momentum_run_clamping_loop_float(
    int position, const void *loop, float *const *operands, const float *factors, ptrdiff_t n, ptrdiff_t tile, float *tiles);
ptrdiff_t momentum_run_clamping_loop_double(
    int position, const void *loop, double *const *operands, const double *factors, ptrdiff_t n, ptrdiff_t tile,
    double *tiles);

#endif
