// Chooses among the products at run time.
#include "products_variants.h"
#include "vector_variants.h"

#if defined(__x86_64__)
static const momentum_tile_products variants[] = {
    {"AVX2", products_avx2_float_multiply, products_avx2_double_multiply},
    {"AVX-512", products_avx512_float_multiply, products_avx512_double_multiply}};
#elif defined(__aarch64__)
static const momentum_tile_products variants[] = {{"NEON", products_neon_float_multiply, products_neon_double_multiply}};
#else
static const momentum_tile_products variants[] = {{NULL, NULL, NULL}};
#endif

const momentum_tile_products *momentum_tile_products_variant(int position) {
  return position >= 0 && position < variant_count() ? &variants[position] : NULL;
}

int momentum_has_tile_products(void) { return variant_count() > 0; }

void momentum_multiply_tiles_float(
    const float *a, const float *b, float *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int adds, int lower,
    const float *next_a, const float *next_b) {
  variants[variant_count() - 1].multiply_float(a, b, c, m, n, k, adds, lower, next_a, next_b);
}

void momentum_multiply_tiles_double(
    const double *a, const double *b, double *c, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int adds, int lower,
    const double *next_a, const double *next_b) {
  variants[variant_count() - 1].multiply_double(a, b, c, m, n, k, adds, lower, next_a, next_b);
}
