#ifndef MOMENTUM_TILE_PRODUCTS_H
#define MOMENTUM_TILE_PRODUCTS_H

#include <stddef.h>

// Products of the tiles of matrices. A BLAS starts threads for all but small products, and for those its preparations take a
// fifth of the time or more. These need none: the tiles lie as they are read.
//
// Every element is a chain of fused multiply-adds in the order of the depth, from 0 on, that is then added to what was there. So
// the bits are the same on every processor that has the instruction, however wide its vectors are.

// The most rows and columns of a tile.
enum { MOMENTUM_TILE_SIDE = 64 };

// c = a * b, or c = c + a * b where it adds. a is m rows of k elements, b is k rows of n, and c is m rows of n, one after the other.
// Of a lower product, square and of a symmetric matrix, only what is not above the diagonal is asked for; the rest may stay what it was.
// Where the tiles that are read after these are known, whole tiles are fetched into cache meanwhile; NULL stands for none.
typedef void momentum_tile_product_float(
    const float *a, const float *b, float *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int adds, int lower,
    const float *next_a, const float *next_b);
typedef void momentum_tile_product_double(
    const double *a, const double *b, double *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int adds, int lower,
    const double *next_a, const double *next_b);

// Whether this processor has loops for products. Those that follow may be called on no other.
int momentum_has_tile_products(void);
momentum_tile_product_float momentum_multiply_tiles_float;
momentum_tile_product_double momentum_multiply_tiles_double;

// y = the transpose of x, m rows of n elements; on any processor.
void momentum_transpose_tile_float(const float *x, ptrdiff_t m, ptrdiff_t n, float *y);
void momentum_transpose_tile_double(const double *x, ptrdiff_t m, ptrdiff_t n, double *y);

// y = x, m rows of n elements that begin x_row and y_row elements apart; on any processor. x and y do not overlap.
void momentum_copy_tile_float(const float *x, ptrdiff_t x_row, float *y, ptrdiff_t y_row, ptrdiff_t m, ptrdiff_t n);
void momentum_copy_tile_double(const double *x, ptrdiff_t x_row, double *y, ptrdiff_t y_row, ptrdiff_t m, ptrdiff_t n);

// y = ((x * a) * b) * c, each product rounded; on any processor. y may be x.
void momentum_multiply_thrice_float(const float *x, float a, float b, float c, float *y, ptrdiff_t n);
void momentum_multiply_thrice_double(const double *x, double a, double b, double c, double *y, ptrdiff_t n);

// The same for one kind of processor, for tests: which bits come out must not depend on it.
typedef struct {
  const char *name;
  momentum_tile_product_float *multiply_float;
  momentum_tile_product_double *multiply_double;
} momentum_tile_products;

// The variant at a position from 0 on, the narrowest first, of those that this processor runs; behind the last one NULL.
const momentum_tile_products *momentum_tile_products_variant(int position);

#endif
