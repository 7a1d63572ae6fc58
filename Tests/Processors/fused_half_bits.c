// The same as fused_loops_bits.c for the loops on vectors that are kept in half precision: every variant that this processor runs,
// all programs and storages that have a loop. An element is widened, goes through the operations as a float, and is rounded once.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "fused_half_loops.h"
#include "half_numbers.h"
#include "half_stores.h"

static uint64_t state = 1;

static uint64_t next(void) {
  state = state * 6364136223846793005 + 1442695040888963407;
  return state ^ state >> 29;
}

// More than a loop takes at a time, and more than random numbers are made at a time.
enum { MOST = 70, LONG = 1100, ROOM = LONG + 32, GUARD = 0xfb };
enum { STEP = 5, KEY = 11 };

// One number of each kind of size, some of them special.
static float number(float most) {
  static const float special[] = {INFINITY, -INFINITY, NAN, 0, -0.0f, 65510, -65519, 0x1.fep127f, 0x1.fffffep127f, 1e-41f};
  if (next() % 8 == 0) return special[next() % (sizeof special / sizeof *special)];
  return (float)(int64_t)next() * 0x1p-63f * most;
}

// A vector in memory, between guards.
typedef struct {
  uint8_t bytes[4 * ROOM];
  int size, start;
} vector;

static void *address(vector *x, int i) { return x->bytes + (x->start + i) * x->size; }

static vector make(int size, int start) {
  vector x;
  memset(x.bytes, GUARD, sizeof x.bytes);
  x.size = size;
  x.start = start;
  return x;
}

static uint16_t load16(vector *x, int i) {
  uint16_t bits;
  memcpy(&bits, address(x, i), sizeof bits);
  return bits;
}

static void store16(vector *x, int i, uint16_t bits) { memcpy(address(x, i), &bits, sizeof bits); }

static float load(vector *x, int i, int type) {
  if (type == MOMENTUM_STORED_BFLOAT16) return number_of((uint32_t)load16(x, i) << 16);
  if (type == MOMENTUM_STORED_FLOAT16) return float_of_float16(load16(x, i));
  float value;
  memcpy(&value, address(x, i), sizeof value);
  return value;
}

static void store(vector *x, int i, int type, float value) {
  if (type == MOMENTUM_STORED_FLOAT) memcpy(address(x, i), &value, sizeof value);
  else store16(x, i, type == MOMENTUM_STORED_BFLOAT16 ? bfloat16_of(value) : float16_of(value));
}

static int is_finite(uint32_t bits) { return (bits & 0x7fffffff) < 0x7f800000; }

// The bits that were rounded, or where they have become infinite those of the largest number; counts what has.
static uint16_t kept(float value, uint16_t rounded, uint16_t infinity, int saturates, momentum_fused_losses *losses) {
  if (!is_finite(bits_of(value)) || (rounded & 0x7fff) != infinity) return rounded;
  losses->too_large += 1;
  return (uint16_t)(rounded - (saturates ? 1 : 0));
}

static float run(momentum_fused_signature program, float *x, const float *factors) {
  for (int position = 0; position < MOMENTUM_FUSED_LONGEST && program >> (8 * position) & 0xff; position++) {
    const unsigned code = (unsigned)(program >> (8 * position) & 0xff) - 1;
    const unsigned verb = code / MOMENTUM_FUSED_OPERANDS, into = code % MOMENTUM_FUSED_OPERANDS;
    const float from = x[verb % MOMENTUM_FUSED_OPERANDS];
    if (verb < MOMENTUM_FUSED_ASSIGN) x[into] = fmaf(factors[position], from, x[into]);
    else if (verb < MOMENTUM_FUSED_AVERAGE_SQUARES) x[into] = from;
    else if (verb == MOMENTUM_FUSED_SCAL) x[into] *= factors[position];
    else abort();
  }
  return x[MOMENTUM_FUSED_PARAMETERS];
}

// A NaN is one, whatever its payload.
static int is_same(vector *x, vector *y, int n, int type) {
  if (!memcmp(x->bytes, y->bytes, sizeof x->bytes)) return 1;
  for (int i = 0; i < n; i++) {
    if (isnan(load(x, i, type)) && isnan(load(y, i, type))) memcpy(address(x, i), address(y, i), (size_t)x->size);
  }
  return !memcmp(x->bytes, y->bytes, sizeof x->bytes);
}

static void compare(
    const momentum_fused_half_loops *loops, momentum_fused_signature program, const void *loop, int storage, int n, int saturates) {
  const int gradient = storage % MOMENTUM_STORED_TYPES, direction = storage / MOMENTUM_STORED_TYPES % 2;
  const int ways = storage / MOMENTUM_STORED_TYPES / 2;
  const int is_narrow = ways >= MOMENTUM_PARAMETERS_SPLIT;
  const int parameters = is_narrow ? MOMENTUM_STORED_BFLOAT16 : MOMENTUM_STORED_FLOAT;
  const int copy = ways == MOMENTUM_PARAMETERS_WITH_FLOAT16 ? MOMENTUM_STORED_FLOAT16 : MOMENTUM_STORED_BFLOAT16;
  const float most = next() % 2 ? 3.4e38f : 65536;
  vector g = make(gradient ? 2 : 4, n % 7), d = make(direction ? 2 : 4, n % 5), p = make(is_narrow ? 2 : 4, n % 3);
  vector second = make(2, n % 9);
  float factors[2 * MOMENTUM_FUSED_LONGEST] = {0};
  for (int k = 0; k < MOMENTUM_FUSED_LONGEST; k++) factors[k] = (float)(int64_t)next() * 0x1p-64f;
  for (int i = 0; i < n; i++) {
    store(&g, i, gradient, number(1));
    store(&d, i, direction, number(most / 64));
    store(&p, i, parameters, number(most));
    store16(&second, i, (uint16_t)next());
  }

  vector d_expected = d, p_expected = p, second_expected = second;
  momentum_fused_losses expected = {0, 0};
  float wide[LONG];
  uint16_t rounded[LONG];
  const uint64_t index = 2048 * (uint64_t)n;
  for (int i = 0; i < n; i++) {
    float x[MOMENTUM_FUSED_OPERANDS] = {0};
    x[MOMENTUM_FUSED_GRADIENT] = load(&g, i, gradient);
    x[MOMENTUM_FUSED_DIRECTION] = load(&d, i, direction);
    x[MOMENTUM_FUSED_PARAMETERS] = load(&p, i, parameters);
    if (ways == MOMENTUM_PARAMETERS_SPLIT) {
      x[MOMENTUM_FUSED_PARAMETERS] =
          number_of(((uint32_t)load16(&p, i) << 16) + (uint32_t)(int32_t)(int16_t)load16(&second, i));
    }
    wide[i] = run(program, x, factors);
    const float after = x[MOMENTUM_FUSED_DIRECTION];
    if (direction == MOMENTUM_STORED_FLOAT) {
      store(&d_expected, i, direction, after);
    } else {
      const uint16_t bits = bfloat16_at(after, (uint16_t)(dither_of(STEP, index + (uint64_t)i) >> 16));
      store16(&d_expected, i, kept(after, bits, 0x7f80, 0, &expected));
    }
  }
  const momentum_random_place place = {KEY, STEP, 1};
  momentum_half_stores_variant(0)->store_stochastic_bfloat16(wide, rounded, n, place, index);
  for (int i = 0; i < n; i++) {
    const uint32_t bits = bits_of(wide[i]);
    const uint16_t nearest = bfloat16_of(wide[i]);
    switch (ways) {
      case MOMENTUM_PARAMETERS_WITH_BFLOAT16:
        store16(&second_expected, i, kept(wide[i], nearest, 0x7f80, saturates, &expected));
        break;
      case MOMENTUM_PARAMETERS_WITH_FLOAT16:
        store16(&second_expected, i, kept(wide[i], float16_of(wide[i]), 0x7c00, saturates, &expected));
        break;
      case MOMENTUM_PARAMETERS_SPLIT:
        store16(&p_expected, i, isnan(wide[i]) ? 0x7fc0 : (uint16_t)((bits + 0x8000) >> 16));
        store16(&second_expected, i, isnan(wide[i]) ? 0 : (uint16_t)bits);
        break;
      case MOMENTUM_PARAMETERS_NEAREST: {
        const uint16_t before = load16(&p, i), after = kept(wide[i], nearest, 0x7f80, saturates, &expected);
        // What has overflowed is counted as such, and a NaN is no update.
        expected.kept_bits += after == before && (uint32_t)before << 16 != bits && is_finite((uint32_t)nearest << 16);
        store16(&p_expected, i, after);
        break;
      }
      case MOMENTUM_PARAMETERS_STOCHASTIC:
        store16(&p_expected, i, kept(wide[i], rounded[i], 0x7f80, saturates, &expected));
        break;
    }
    if (!is_narrow) store(&p_expected, i, parameters, wide[i]);
  }

  const momentum_fused_halves halves = {
      address(&g, 0), address(&d, 0), address(&p, 0), address(&second, 0), index, STEP, KEY, saturates};
  const momentum_fused_losses found = loops->run(loop, storage, &halves, factors, n);
  if (is_same(&d_expected, &d, n, direction) && is_same(&p_expected, &p, n, parameters) &&
      is_same(&second_expected, &second, n, copy) && found.too_large == expected.too_large &&
      found.kept_bits == expected.kept_bits)
    return;
  printf("%s, program %llx, gradient %d, direction %d, parameters %d, %d elements, saturates %d: other bits, or losses %td and %td "
         "instead of %td and %td\n", loops->name, (unsigned long long)program, gradient, direction, ways, n, saturates,
         found.too_large, found.kept_bits, expected.too_large, expected.kept_bits);
  exit(1);
}

int main(void) {
  const momentum_fused_half_loops *loops;
  for (int variant = 0; (loops = momentum_fused_half_loops_variant(variant)); variant++) {
    int found = 0;
    momentum_fused_signature program;
    for (int position = 0; (program = momentum_fused_program(position)); position++) {
      for (int storage = 0; storage < MOMENTUM_FUSED_STORAGES; storage++) {
        const void *loop = loops->find(program, storage);
        if (!loop) continue;
        found++;
        for (int n = 0; n < MOST; n++) compare(loops, program, loop, storage, n, n % 2);
        compare(loops, program, loop, storage, LONG, 0);
        compare(loops, program, loop, storage, LONG, 1);
      }
    }
    printf("%s: %d fused loops on half precision have the bits of their operations\n", loops->name, found);
    if (!found) return 1;
  }
  return 0;
}
