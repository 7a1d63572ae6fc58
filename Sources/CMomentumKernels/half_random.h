// Random bits on the vectors of one instruction set, for files that include this one. The includer defines
//
//   NAME(x)   the function names                        PAIR_LOW(a, b)    the even lanes of two vectors of WIDTH / 2 lanes, in turn
//   TARGET    the attribute that allows the             PAIR_HIGH(a, b)   their odd lanes, in turn
//             instructions
//   WIDTH     the 32-bit lanes of a vector, 4 or more
//
// Vectors are those of the compiler: +, & and so on work lane by lane. They multiply even and odd lanes apart, as processors do.

typedef uint32_t NAME(words) __attribute__((vector_size(4 * WIDTH)));
typedef uint64_t NAME(pairs) __attribute__((vector_size(4 * WIDTH)));

#define WORDS NAME(words)
#define PAIRS NAME(pairs)
#define INLINE TARGET static inline __attribute__((always_inline))

enum {
  // The elements of one block of random numbers.
  NAME(block) = 8,
  // Vectors of blocks that are made at a time: the multiplications of one fill the waits of the other.
  NAME(unroll) = 2,
  NAME(group) = NAME(unroll) * WIDTH * NAME(block),
  // The random numbers that are made before they are used: as many as a group has where vectors are widest. With four times as many
  // the processor no longer sees streams of memory that go on, and fetches less ahead.
  NAME(bits) = 256,
};

// Both halves of the products of each lane with a number of 32 bits.
INLINE void NAME(multiply)(WORDS x, uint32_t factor, WORDS *high, WORDS *low) {
  const uint64_t lower = 0xffffffff;
  PAIRS pairs = (PAIRS)x, even = (pairs & lower) * factor, odd = (pairs >> 32) * factor;
  *high = (WORDS)((even >> 32) | (odd & ~lower));
  *low = (WORDS)((even & lower) | (odd << 32));
}

// Ten rounds on the counters of some vectors of blocks; the counters become the numbers.
INLINE void NAME(philox)(WORDS c[][4], int count, uint32_t key0, uint32_t key1) {
#pragma clang loop unroll(full)
  for (int round = 0; round < 10; round++) {
#pragma clang loop unroll(full)
    for (int vector = 0; vector < count; vector++) {
      WORDS *x = c[vector], high0, low0, high2, low2;
      NAME(multiply)(x[0], 0xD2511F53, &high0, &low0);
      NAME(multiply)(x[2], 0xCD9E8D57, &high2, &low2);
      x[0] = high2 ^ x[1] ^ key0;
      x[1] = low2;
      x[2] = high0 ^ x[3] ^ key1;
      x[3] = low0;
    }
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
}

// The 16 bits of each element of a group of blocks, which starts at a multiple of its size: only the lower halves of the
// blocks' numbers differ.
TARGET static __attribute__((noinline, unused)) void NAME(fill_group)(uint16_t *bits, uint64_t block, momentum_random_place place) {
  const uint64_t lower = 0xffffffff;
  const WORDS zero = {0};
  // Lane 4q + j has the block that the stores below put in its place. A constant, if the compiler sees all lanes.
  WORDS order = zero;
#pragma clang loop unroll(full)
  for (uint32_t lane = 0; lane < WIDTH; lane++) order[lane] = lane % 4 * (WIDTH / 4) + lane / 4;
  WORDS c[NAME(unroll)][4];
#pragma clang loop unroll(full)
  for (int vector = 0; vector < NAME(unroll); vector++) {
    c[vector][0] = order + (uint32_t)block + (uint32_t)(vector * WIDTH);
    c[vector][1] = zero + ((uint32_t)(block >> 32) | place.stream << 28);
    c[vector][2] = zero + (uint32_t)place.step;
    c[vector][3] = zero + (uint32_t)(place.step >> 32);
  }
  NAME(philox)(c, NAME(unroll), (uint32_t)place.key, (uint32_t)(place.key >> 32));
#pragma clang loop unroll(full)
  for (int vector = 0; vector < NAME(unroll); vector++) {
    PAIRS x0 = (PAIRS)c[vector][0], x1 = (PAIRS)c[vector][1], x2 = (PAIRS)c[vector][2], x3 = (PAIRS)c[vector][3];
    // The first and the second half of the blocks of even lanes, and of those of odd ones.
    PAIRS even0 = (x0 & lower) | (x1 << 32), even1 = (x2 & lower) | (x3 << 32);
    PAIRS odd0 = (x0 >> 32) | (x1 & ~lower), odd1 = (x2 >> 32) | (x3 & ~lower);
    PAIRS blocks[4] = {
        PAIR_LOW(even0, even1), PAIR_LOW(odd0, odd1), PAIR_HIGH(even0, even1), PAIR_HIGH(odd0, odd1)};
    memcpy(bits + vector * WIDTH * NAME(block), blocks, sizeof blocks);
  }
}
