#ifndef MOMENTUM_PRODUCTS_VARIANTS_H
#define MOMENTUM_PRODUCTS_VARIANTS_H

// What the files of the single instruction sets define; made from products_template.h.

#include "tile_products.h"

#if defined(__x86_64__)
momentum_tile_product_float products_avx2_float_multiply, products_avx512_float_multiply;
momentum_tile_product_double products_avx2_double_multiply, products_avx512_double_multiply;
#elif defined(__aarch64__)
momentum_tile_product_float products_neon_float_multiply;
momentum_tile_product_double products_neon_double_multiply;
#endif

#endif
