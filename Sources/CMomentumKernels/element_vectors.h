#ifndef MOMENTUM_ELEMENT_VECTORS_H
#define MOMENTUM_ELEMENT_VECTORS_H

// Plain loops that the compiler turns into vector instructions, once for each width of vectors.

// What is read and what is written never meet but at the same index.
#define ELEMENTWISE _Pragma("clang loop vectorize(assume_safety)")

// Calls the wider of two variants of a function that this processor runs. Vectors of 512 bits would gain nothing: with so few
// operations an element, those of 256 are as fast as the cache, and divide no slower.
#if defined(__x86_64__)
#define WIDEST(function, ...) \
  (__builtin_cpu_supports("avx2") ? function##_avx2(__VA_ARGS__) : function##_baseline(__VA_ARGS__))
#else
#define WIDEST(function, ...) function##_baseline(__VA_ARGS__)
#endif

// A root that sets no errno, so that it becomes a vector instruction.
#if defined(__clang__)
#define ROOT(x) __builtin_elementwise_sqrt(x)
#else
#define ROOT(x) _Generic((x), float: __builtin_sqrtf, double: __builtin_sqrt)(x)
#endif

#endif
