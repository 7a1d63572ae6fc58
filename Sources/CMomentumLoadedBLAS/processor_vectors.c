#include <stddef.h>
#include <strings.h>

#include "kernel_choice.h"

#if defined(__x86_64__)
#include <cpuid.h>

// The registers that the operating system saves. A processor's vectors are of no use if it does not save theirs.
static unsigned saved_registers(void) {
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

// By the instruction and not by /proc/cpuinfo, which an emulator does not replace.
momentum_vectors momentum_processor_vectors(void) {
  enum { SSE_AND_AVX = 0x6, AVX512 = 0xe6 };
  momentum_vectors vectors = {0, 0, 0};
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return vectors;
  unsigned saved = saved_registers();
  int has_fma = (c & bit_FMA) != 0, family = (int)((a >> 8 & 0xf) + (a >> 20 & 0xff));
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return vectors;
  vectors.has_256_bits = has_fma && (b & bit_AVX2) && (saved & SSE_AND_AVX) == SSE_AND_AVX;
  unsigned needed = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
  vectors.has_512_bits = vectors.has_256_bits && (b & needed) == needed && (saved & AVX512) == AVX512;

  __get_cpuid(0, &a, &b, &c, &d);
  int is_amd = b == signature_AMD_ebx && c == signature_AMD_ecx && d == signature_AMD_edx;
  // Zen 3 and Zen 4 have one family number, and the former has no such vectors.
  vectors.splits_512_bits = is_amd && family == 25 && vectors.has_512_bits;
  return vectors;
}
#else
momentum_vectors momentum_processor_vectors(void) {
  momentum_vectors none = {0, 0, 0};
  return none;
}
#endif

// The vector width, in bits, of a family's kernels. AVX without fused multiply-add counts as 128, because the question is whether
// Haswell's kernels are better. A name that is in no list belongs to a newer family, or to no x86-64 processor at all.
static int width_of(const char *family) {
  static const char *const narrow[] = {
      "katmai",  "coppermine", "northwood",    "banias",    "prescott", "core2", "penryn",      "dunnington",
      "atom",    "nehalem",    "athlon",       "opteron",   "bobcat",   "nano",  "sandybridge", "bulldozer",
      "unknown", "piledriver", "opteron_sse3", "barcelona", "generic",  "steamroller", "excavator",
  };
  static const char *const middle[] = {"haswell", "zen"};
  for (size_t i = 0; i < sizeof narrow / sizeof *narrow; i++) {
    if (strcasecmp(family, narrow[i]) == 0) return 128;
  }
  for (size_t i = 0; i < sizeof middle / sizeof *middle; i++) {
    if (strcasecmp(family, middle[i]) == 0) return 256;
  }
  return 512;
}

const char *momentum_better_kernels(const char *running, momentum_vectors vectors) {
  int width = width_of(running);
  if (vectors.splits_512_bits) return width == 256 ? NULL : "Zen";
  if (vectors.has_512_bits) return width < 512 ? "SkylakeX" : NULL;
  if (vectors.has_256_bits) return width < 256 ? "Haswell" : NULL;
  return NULL;
}
