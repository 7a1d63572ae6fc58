#ifndef MOMENTUM_HALF_NUMBERS_H
#define MOMENTUM_HALF_NUMBERS_H

// Conversions of single numbers, for loops that the compiler turns into vector instructions.

#include <stdint.h>
#include <string.h>

#include "element_vectors.h"

static inline __attribute__((always_inline)) uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline __attribute__((always_inline)) float number_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline __attribute__((always_inline)) uint16_t bfloat16_of(float value) {
  uint32_t bits = bits_of(value);
  uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16, quiet = (bits >> 16) | 0x40;
  return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
}

// The least magnitude that is rounded to nearest whatever the threshold: the largest number of bfloat16, and beyond it
// infinities and NaN.
#define LEAST_SPECIAL 0x7f7f0000u

// Away from 0 if the 16 bits that are cut off exceed a threshold: `up` is 2^16 less that. Where `up` takes all values alike,
// the mean is the number.
static inline __attribute__((always_inline)) uint16_t bfloat16_at(float value, uint16_t up) {
  uint32_t bits = bits_of(value), magnitude = bits & 0x7fffffff;
  return magnitude >= LEAST_SPECIAL ? bfloat16_of(value) : (uint16_t)((bits + up) >> 16);
}

// The thresholds of momentum_store_dithered_bfloat16: multiples of fixed fractions of 2^32, whose upper halves are used.
// In the steps the fraction is (sqrt(3) - 1) / 2, whose multiples fill an interval evenly; with those of the golden ratio a
// velocity of momentum 0.95 is off by twice as much. In the elements they recur after 2048, the length of a tile: so a vector
// that is cut between tiles keeps its bits.
#define DITHER_OF_STEP 0x5DB3D743u
#define DITHER_OF_ELEMENT (1545u << 21)

static inline __attribute__((always_inline)) uint32_t dither_of(uint64_t step, uint64_t index) {
  return (uint32_t)step * DITHER_OF_STEP + (uint32_t)index * DITHER_OF_ELEMENT;
}

static inline __attribute__((always_inline)) float float_of_float16(uint16_t half) {
  uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13, sign = (uint32_t)(half & 0x8000) << 16;
  // A number is shifted into place, and its exponent counted from the other bias. A subnormal number becomes a normal one:
  // with 2^-14 added it is one, and the subtraction is exact.
  uint32_t normal = magnitude + (112u << 23);
  uint32_t subnormal = bits_of(number_of(magnitude + (113u << 23)) - number_of(113u << 23));
  uint32_t special = (magnitude + (224u << 23)) | (magnitude > 0x0f800000 ? 0x00400000u : 0);
  uint32_t bits = magnitude >= 0x0f800000 ? special : magnitude < 0x00800000 ? subnormal : normal;
  return number_of(bits | sign);
}

static inline __attribute__((always_inline)) uint16_t float16_of(float value) {
  uint32_t bits = bits_of(value), magnitude = bits & 0x7fffffff, sign = (bits >> 16) & 0x8000;
  uint32_t normal = (magnitude - (112u << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  // The last digit of a float at 1/2 is the least subnormal number of binary16, so the addition rounds.
  uint32_t subnormal = bits_of(number_of(magnitude) + 0.5f) - bits_of(0.5f);
  uint32_t special = magnitude > 0x7f800000 ? 0x7e00 | ((magnitude >> 13) & 0x3ff) : 0x7c00;
  uint32_t half = magnitude >= (143u << 23) ? special : magnitude < (113u << 23) ? subnormal : normal;
  return (uint16_t)(half | sign);
}

#endif
