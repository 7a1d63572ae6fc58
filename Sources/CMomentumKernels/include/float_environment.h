#ifndef MOMENTUM_FLOAT_ENVIRONMENT_H
#define MOMENTUM_FLOAT_ENVIRONMENT_H

#include <stdint.h>

// The register that controls how the calling thread rounds, flushes subnormal numbers and traps. Swift has no word for
// it, and <fenv.h> does not know the modes that flush. Status flags are not part of it. On other processors 0: their
// threads keep the environment that they have.

#if defined(__x86_64__)
// MXCSR: all exceptions masked, rounding to nearest, no flushing.
#define MOMENTUM_DEFAULT_FLOAT_CONTROL UINT64_C(0x1F80)
#define MOMENTUM_FLOAT_FLAGS UINT64_C(0x3F)

static inline uint64_t momentum_float_register(void) { return __builtin_ia32_stmxcsr(); }
static inline void momentum_set_float_register(uint64_t value) { __builtin_ia32_ldmxcsr((unsigned)value); }
#elif defined(__aarch64__)
// FPCR: no traps, rounding to nearest, no flushing. The flags lie in another register.
#define MOMENTUM_DEFAULT_FLOAT_CONTROL UINT64_C(0)
#define MOMENTUM_FLOAT_FLAGS UINT64_C(0)

static inline uint64_t momentum_float_register(void) {
  uint64_t value;
  __asm__ volatile("mrs %0, fpcr" : "=r"(value));
  return value;
}
static inline void momentum_set_float_register(uint64_t value) { __asm__ volatile("msr fpcr, %0" ::"r"(value)); }
#else
#define MOMENTUM_DEFAULT_FLOAT_CONTROL UINT64_C(0)
#define MOMENTUM_FLOAT_FLAGS UINT64_C(0)

static inline uint64_t momentum_float_register(void) { return 0; }
static inline void momentum_set_float_register(uint64_t value) { (void)value; }
#endif

// Whether a value of the register is another than the default, which every program starts with.
static inline int momentum_float_register_is_changed(uint64_t value) {
  return (value & ~MOMENTUM_FLOAT_FLAGS) != MOMENTUM_DEFAULT_FLOAT_CONTROL;
}

// Brings the calling thread into the default environment.
static inline void momentum_set_default_float_register(void) {
  momentum_set_float_register(MOMENTUM_DEFAULT_FLOAT_CONTROL);
}

#endif
