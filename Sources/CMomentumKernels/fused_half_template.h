// The loops of one instruction set on vectors that are kept in half precision. The includer defines what half_random.h needs, and
//
//   WIDEN_FLOAT16(p)       the WIDTH numbers of binary16 at an address, as floats
//   STORE_FLOAT16(p, x)    writes WIDTH floats as binary16, rounded to nearest
//   FMA(a, b, c)           a * b + c, rounded once
//   ANY(mask)              whether a lane of the mask is set
//
// and this file undefines all of them. What depends on the program and on the storage is a constant where a loop is made.

#include "half_random.h"

#if !defined(__OPTIMIZE__)
// One loop for all programs: nothing would be left out of a copy either.
#undef INLINE
#define INLINE TARGET static
#endif

typedef float NAME(floats) __attribute__((vector_size(4 * WIDTH)));
typedef int32_t NAME(signed_words) __attribute__((vector_size(4 * WIDTH)));
typedef uint16_t NAME(halves) __attribute__((vector_size(2 * WIDTH)));
typedef int16_t NAME(signed_halves) __attribute__((vector_size(2 * WIDTH)));

#define FLOATS NAME(floats)
// Lanes of `a` where the mask is set, else of `b`.
#define SELECT(mask, a, b) (((WORDS)(mask) & (a)) | (~(WORDS)(mask) & (b)))
#define MAGNITUDE(bits) ((NAME(signed_words))((bits) & 0x7fffffff))
// The least magnitude that bfloat16 is too small for: the middle between its largest number and the one that would follow.
#define LEAST_OVERFLOWING 0x7f7f8000

typedef struct {
  WORDS overflowed, lost;
} NAME(counts);

INLINE WORDS NAME(load16)(const void *x) {
  NAME(halves) halves;
  memcpy(&halves, x, sizeof halves);
  return __builtin_convertvector(halves, WORDS);
}

INLINE void NAME(store16)(void *x, WORDS words) {
  NAME(halves) halves = __builtin_convertvector(words, NAME(halves));
  memcpy(x, &halves, sizeof halves);
}

INLINE FLOATS NAME(load)(const void *x) {
  FLOATS floats;
  memcpy(&floats, x, sizeof floats);
  return floats;
}

INLINE void NAME(store)(void *x, FLOATS floats) { memcpy(x, &floats, sizeof floats); }

INLINE FLOATS NAME(widened)(const void *x, int type) {
  if (type == MOMENTUM_STORED_FLOAT16) return WIDEN_FLOAT16(x);
  return type == MOMENTUM_STORED_BFLOAT16 ? (FLOATS)(NAME(load16)(x) << 16) : NAME(load)(x);
}

// What is added before the lower 16 bits are cut off, for rounding to nearest, ties to even.
INLINE WORDS NAME(nearest)(WORDS bits) { return ((bits >> 16) & 1) + 0x7fff; }

// bfloat16 by a threshold, and from the largest number on to nearest; see bfloat16_at. What exceeds it, which is rare, becomes
// infinite, or the number before that.
INLINE WORDS NAME(narrowed)(FLOATS x, WORDS up, int saturates, NAME(counts) *counts) {
  WORDS bits = (WORDS)x, rounded = (bits + up) >> 16;
  NAME(signed_words) special = MAGNITUDE(bits) >= (int32_t)LEAST_SPECIAL;
  if (__builtin_expect(ANY(special), 0)) {
    WORDS nearest = SELECT(x != x, (bits >> 16) | 0x40, (bits + NAME(nearest)(bits)) >> 16);
    rounded = SELECT(special, nearest, rounded);
    WORDS overflowed = (WORDS)((MAGNITUDE(bits) >= LEAST_OVERFLOWING) & (MAGNITUDE(bits) <= 0x7f7fffff));
    counts->overflowed -= overflowed;
    if (saturates) rounded += overflowed;
  }
  return rounded;
}

// binary16, to nearest.
INLINE void NAME(store_float16)(void *y, FLOATS x, int saturates, NAME(counts) *counts) {
  WORDS bits = (WORDS)x;
  // From the middle between the largest number, 65504, and the next one on.
  NAME(signed_words) special = MAGNITUDE(bits) >= 0x477ff000;
  if (__builtin_expect(ANY(special), 0)) {
    WORDS overflowed = (WORDS)(special & (MAGNITUDE(bits) <= 0x7f7fffff));
    counts->overflowed -= overflowed;
    if (saturates) x = (FLOATS)SELECT(overflowed, (bits & 0x80000000) | 0x477fe000, bits);
  }
  STORE_FLOAT16(y, x);
}

INLINE void NAME(operate_wide)(momentum_fused_signature program, int position, FLOATS *x, const float *factors) {
  const unsigned code = (unsigned)(program >> (8 * position) & 0xff);
  if (code == 0) return;
  const FLOATS zero = {0}, factor = zero + factors[position], from = x[fused_from(code)];
  FLOATS *into = &x[fused_into(code)];
  switch (fused_verb(code)) {
    case MOMENTUM_FUSED_AXPY: *into = FMA(factor, from, *into); break;
    case MOMENTUM_FUSED_ASSIGN: *into = from; break;
    case MOMENTUM_FUSED_SCAL: *into = factor * *into; break;
  }
}

// WIDTH elements from a position on.
INLINE void NAME(half_vector)(
    momentum_fused_signature program, int storage, const momentum_fused_halves *x, const float *factors, ptrdiff_t i,
    const uint16_t *random, WORDS dither, NAME(counts) *counts) {
  const int gradient = fused_gradient(storage), direction = fused_direction(storage), ways = fused_parameters(storage);
  const int is_split = ways == MOMENTUM_PARAMETERS_SPLIT;
  const int is_narrow = is_split || ways == MOMENTUM_PARAMETERS_NEAREST || ways == MOMENTUM_PARAMETERS_STOCHASTIC;
  char *p = (char *)x->parameters + i * (is_narrow ? 2 : 4), *second = (char *)x->second + i * 2;
  char *d = (char *)x->direction + i * fused_bytes(direction);

  FLOATS operand[MOMENTUM_FUSED_OPERANDS];
  operand[MOMENTUM_FUSED_GRADIENT] = NAME(widened)((const char *)x->gradient + i * fused_bytes(gradient), gradient);
  if (fused_reads(program, MOMENTUM_FUSED_DIRECTION)) operand[MOMENTUM_FUSED_DIRECTION] = NAME(widened)(d, direction);
  WORDS before = {0};
  if (is_narrow) {
    before = NAME(load16)(p);
    WORDS joined = before << 16;
    if (is_split) {
      NAME(signed_halves) remainder;
      memcpy(&remainder, second, sizeof remainder);
      joined += (WORDS)__builtin_convertvector(remainder, NAME(signed_words));
    }
    operand[MOMENTUM_FUSED_PARAMETERS] = (FLOATS)joined;
  } else {
    operand[MOMENTUM_FUSED_PARAMETERS] = NAME(load)(p);
  }

  NAME(operate_wide)(program, 0, operand, factors);
  NAME(operate_wide)(program, 1, operand, factors);
  NAME(operate_wide)(program, 2, operand, factors);
  NAME(operate_wide)(program, 3, operand, factors);
  NAME(operate_wide)(program, 4, operand, factors);
  NAME(operate_wide)(program, 5, operand, factors);
  NAME(operate_wide)(program, 6, operand, factors);
  NAME(operate_wide)(program, 7, operand, factors);

  if (fused_writes(program, MOMENTUM_FUSED_DIRECTION)) {
    FLOATS wide = operand[MOMENTUM_FUSED_DIRECTION];
    if (direction == MOMENTUM_STORED_BFLOAT16) {
      NAME(store16)(d, NAME(narrowed)(wide, dither >> 16, 0, counts));
    } else {
      NAME(store)(d, wide);
    }
  }
  FLOATS wide = operand[MOMENTUM_FUSED_PARAMETERS];
  WORDS bits = (WORDS)wide, zero = {0};
  switch (ways) {
    case MOMENTUM_PARAMETERS_FLOAT: NAME(store)(p, wide); break;
    case MOMENTUM_PARAMETERS_WITH_BFLOAT16:
      NAME(store)(p, wide);
      NAME(store16)(second, NAME(narrowed)(wide, NAME(nearest)(bits), x->saturates, counts));
      break;
    case MOMENTUM_PARAMETERS_WITH_FLOAT16:
      NAME(store)(p, wide);
      NAME(store_float16)(second, wide, x->saturates, counts);
      break;
    case MOMENTUM_PARAMETERS_SPLIT: {
      WORDS nan = (WORDS)(wide != wide);
      NAME(store16)(p, SELECT(nan, zero + 0x7fc0, (bits + 0x8000) >> 16));
      NAME(store16)(second, ~nan & bits & 0xffff);
      break;
    }
    case MOMENTUM_PARAMETERS_NEAREST: {
      WORDS after = NAME(narrowed)(wide, NAME(nearest)(bits), x->saturates, counts);
      // Numbers of other bits than those stored, which stay. A NaN is no update, and what has overflowed is counted as such.
      counts->lost -=
          (WORDS)(after == before) & (WORDS)(bits != before << 16) & (WORDS)(MAGNITUDE(bits) < LEAST_OVERFLOWING);
      NAME(store16)(p, after);
      break;
    }
    case MOMENTUM_PARAMETERS_STOCHASTIC:
      NAME(store16)(p, NAME(narrowed)(wide, NAME(load16)(random), x->saturates, counts));
      break;
  }
}

// n elements, a multiple of WIDTH; adds to the losses.
INLINE void NAME(half_loop)(
    momentum_fused_signature program, int storage, const momentum_fused_halves *x, const float *factors, ptrdiff_t n,
    const uint16_t *random, momentum_fused_losses *losses) {
  // The compiler keeps addresses and factors in registers if nobody else can change them.
  const momentum_fused_halves own = *x;
  float own_factors[MOMENTUM_FUSED_LONGEST];
  memcpy(own_factors, factors, sizeof own_factors);
  NAME(counts) counts = {{0}, {0}};
  // That of the first element, and what each lane is ahead of it: a constant, if the compiler sees all lanes.
  WORDS ahead = {0};
#pragma clang loop unroll(full)
  for (uint32_t lane = 0; lane < WIDTH; lane++) ahead[lane] = lane * DITHER_OF_ELEMENT;
  WORDS dither = ahead + dither_of(own.step, own.index);
#pragma clang loop unroll_count(2)
  for (ptrdiff_t i = 0; i < n; i += WIDTH) {
    NAME(half_vector)(program, storage, &own, own_factors, i, random + i, dither, &counts);
    dither += (uint32_t)WIDTH * DITHER_OF_ELEMENT;
  }
#pragma clang loop unroll(full)
  for (int lane = 0; lane < WIDTH; lane++) {
    losses->too_large += counts.overflowed[lane];
    losses->kept_bits += counts.lost[lane];
  }
}

// Any number of elements that share random numbers: the last ones, fewer than WIDTH, in memory that has room for WIDTH. Nothing is
// lost of the zeros behind them.
TARGET static void NAME(half_run_part)(
    momentum_fused_half_loop *loop, int storage, momentum_fused_halves x, const float *factors, ptrdiff_t n,
    const uint16_t *random, momentum_fused_losses *losses) {
  const ptrdiff_t whole = n - n % WIDTH, rest = n % WIDTH;
  if (whole > 0) loop(&x, factors, whole, random, losses);
  if (rest == 0) return;
  fused_move(&x, storage, whole);
  const ptrdiff_t g_bytes = fused_bytes(fused_gradient(storage)), d_bytes = fused_bytes(fused_direction(storage));
  const ptrdiff_t p_bytes = fused_parameter_bytes(storage), second_bytes = fused_second_bytes(storage);
  float g[WIDTH] = {0}, d[WIDTH] = {0}, p[WIDTH] = {0};
  uint16_t second[WIDTH] = {0}, chance[WIDTH] = {0};
  memcpy(g, x.gradient, (size_t)(rest * g_bytes));
  memcpy(d, x.direction, (size_t)(rest * d_bytes));
  memcpy(p, x.parameters, (size_t)(rest * p_bytes));
  if (second_bytes) memcpy(second, x.second, (size_t)(rest * second_bytes));
  if (random) memcpy(chance, random + whole, (size_t)rest * sizeof *random);
  const momentum_fused_halves copies = {g, d, p, second, x.index, x.step, x.key, x.saturates};
  loop(&copies, factors, WIDTH, chance, losses);
  memcpy(x.direction, d, (size_t)(rest * d_bytes));
  memcpy(x.parameters, p, (size_t)(rest * p_bytes));
  if (second_bytes) memcpy(x.second, second, (size_t)(rest * second_bytes));
}

momentum_fused_losses NAME(run_half)(
    momentum_fused_half_loop *loop, int storage, const momentum_fused_halves *x, const float *factors, ptrdiff_t n) {
  momentum_fused_losses losses = {0, 0};
  momentum_fused_halves part = *x;
  if (fused_parameters(storage) != MOMENTUM_PARAMETERS_STOCHASTIC) {
    NAME(half_run_part)(loop, storage, part, factors, n, NULL, &losses);
    return losses;
  }
  const momentum_random_place place = {x->key, x->step, 1};
  uint16_t random[NAME(bits)];
  for (ptrdiff_t i = 0; i < n;) {
    // As in the store of whole vectors: where the element lies in its group, and how many the groups from there on serve.
    ptrdiff_t first = (ptrdiff_t)(part.index % NAME(group)), count = NAME(bits) - first;
    if (count > n - i) count = n - i;
    uint64_t block = (part.index - (uint64_t)first) / NAME(block);
    for (ptrdiff_t start = 0; start < first + count; start += NAME(group))
      NAME(fill_group)(random + start, block + (uint64_t)(start / NAME(block)), place);
    NAME(half_run_part)(loop, storage, part, factors, count, random + first, &losses);
    fused_move(&part, storage, count);
    i += count;
  }
  return losses;
}

#define DEFINE(name, program, gradient, direction, parameters)                                                              \
  TARGET static void NAME(name##_##gradient##_##direction##_##parameters)(                                                  \
      const momentum_fused_halves *x, const float *factors, ptrdiff_t n, const uint16_t *random,                            \
      momentum_fused_losses *losses) {                                                                                      \
    NAME(half_loop)(program, FUSED_STORAGE(gradient, direction, parameters), x, factors, n, random, losses);                \
  }
#define DEFINE_ALL(name, program) HALF_STORAGES(DEFINE, name, program)
HALF_PROGRAMS(DEFINE_ALL)
#undef DEFINE
#undef DEFINE_ALL

#define FOUND(name, program, gradient, direction, parameters) \
  case FUSED_STORAGE(gradient, direction, parameters): return NAME(name##_##gradient##_##direction##_##parameters);
#define FOUND_PROGRAM(name, program)         \
  case program:                              \
    switch (storage) {                       \
      HALF_STORAGES(FOUND, name, program)    \
      default: return NULL;                  \
    }
momentum_fused_half_loop *NAME(find_half)(momentum_fused_signature signature, int storage) {
  switch (signature) {
    HALF_PROGRAMS(FOUND_PROGRAM)
    default: return NULL;
  }
}
#undef FOUND
#undef FOUND_PROGRAM

#undef FLOATS
#undef SELECT
#undef MAGNITUDE
#undef LEAST_OVERFLOWING
#undef ANY
#undef FMA
#undef WORDS
#undef PAIRS
#undef INLINE
#undef NAME
#undef TARGET
#undef WIDTH
#undef PAIR_LOW
#undef PAIR_HIGH
#undef WIDEN_FLOAT16
#undef STORE_FLOAT16
