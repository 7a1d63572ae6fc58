// Compares every variant of the conversions of half precision that this processor runs with the definition, over all
// patterns: 2^16 are widened, 2^32 are narrowed. Built and run by Scripts/test-half.sh; takes minutes.
#include "half_loops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1 << 16 };

typedef struct {
  const char *name;
  int digits, bias;
} half_type;

static const half_type bfloat16 = {"bfloat16", 7, 127}, float16 = {"float16", 10, 15};

static float number_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

// The number with these bits by definition.
static double value_of(uint16_t half, const half_type *type) {
  int fraction = half & ((1 << type->digits) - 1), exponent = (half & 0x7fff) >> type->digits;
  double sign = half & 0x8000 ? -1 : 1;
  if (exponent == 2 * type->bias + 1) { return fraction ? NAN : sign * INFINITY; }
  int significand = exponent ? fraction | 1 << type->digits : fraction;
  return sign * ldexp(significand, (exponent ? exponent : 1) - type->bias - type->digits);
}

// The nearest number by definition, for the magnitudes of floats in increasing order: `low` holds the largest number that is
// not larger than the last magnitude, and moves up.
static uint16_t nearest(double magnitude, uint16_t *low, const half_type *type, const double *values) {
  uint16_t infinity = (uint16_t)((2 * type->bias + 1) << type->digits);
  while (*low + 1 < infinity && values[*low + 1] <= magnitude) { ++*low; }
  double above = *low + 1 < infinity ? values[*low + 1] : 2 * values[*low] - values[*low - 1];
  double down = magnitude - values[*low], up = above - magnitude;
  return up < down || (up == down && (*low & 1)) ? *low + 1 : *low;
}

static uint16_t quiet_nan(uint32_t bits, const half_type *type) {
  if (type == &bfloat16) { return (uint16_t)(bits >> 16 | 0x40); }
  return (uint16_t)((bits >> 16 & 0x8000) | 0x7e00 | (bits >> 13 & 0x3ff));
}

static void fail(const momentum_half_loops *loops, const half_type *type, const char *what, uint32_t from, uint32_t to) {
  fprintf(stderr, "%s, %s: %s %#x gives %#x\n", loops->name, type->name, what, from, to);
  exit(1);
}

static void widen_all(const momentum_half_loops *loops, const half_type *type) {
  static uint16_t halves[BLOCK];
  static float found[BLOCK];
  for (int i = 0; i < BLOCK; i++) { halves[i] = (uint16_t)i; }
  (type == &bfloat16 ? loops->widen_bfloat16 : loops->widen_float16)(halves, found, BLOCK);
  for (int i = 0; i < BLOCK; i++) {
    double value = value_of(halves[i], type);
    uint32_t expected = bits_of((float)value);
    if (isnan(value)) {
      expected = (uint32_t)(i & 0x8000) << 16 | 0x7f800000 | (uint32_t)(i & ((1 << type->digits) - 1)) << (23 - type->digits);
      if (type == &float16) { expected |= 0x400000; }
    }
    if (bits_of(found[i]) != expected) { fail(loops, type, "widening", (uint32_t)i, bits_of(found[i])); }
  }
}

// Narrows all patterns of one sign by all variants of a type at once, so that each is judged once.
static void narrow_all(const half_type *type, uint32_t sign) {
  static double values[1 << 15];
  static float numbers[BLOCK];
  static uint16_t expected[BLOCK], found[BLOCK];
  for (int i = 0; i < 1 << 15; i++) { values[i] = value_of((uint16_t)i, type); }
  uint16_t low = 0;
  for (uint32_t start = 0; start < 0x80000000; start += BLOCK) {
    for (uint32_t i = 0; i < BLOCK; i++) {
      uint32_t bits = start + i;
      numbers[i] = number_of(bits | sign);
      if (bits > 0x7f800000) {
        expected[i] = quiet_nan(bits | sign, type);
      } else if (bits == 0x7f800000) {
        expected[i] = (uint16_t)((2 * type->bias + 1) << type->digits | sign >> 16);
      } else {
        expected[i] = nearest(number_of(bits), &low, type, values) | (uint16_t)(sign >> 16);
      }
    }
    for (int position = 0; momentum_half_loops_variant(position); position++) {
      const momentum_half_loops *loops = momentum_half_loops_variant(position);
      (type == &bfloat16 ? loops->narrow_bfloat16 : loops->narrow_float16)(numbers, found, BLOCK);
      for (uint32_t i = 0; i < BLOCK; i++) {
        if (found[i] != expected[i]) { fail(loops, type, "narrowing", (start + i) | sign, found[i]); }
      }
    }
  }
}

int main(void) {
  const half_type *types[] = {&bfloat16, &float16};
  for (int position = 0; momentum_half_loops_variant(position); position++) {
    for (int i = 0; i < 2; i++) { widen_all(momentum_half_loops_variant(position), types[i]); }
    printf("%s: %d patterns widened\n", momentum_half_loops_variant(position)->name, BLOCK);
  }
  for (int i = 0; i < 2; i++) {
    narrow_all(types[i], 0);
    narrow_all(types[i], 0x80000000);
    printf("%s: 2^32 patterns narrowed by every variant\n", types[i]->name);
  }
  return 0;
}
