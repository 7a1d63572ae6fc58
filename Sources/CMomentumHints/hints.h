#ifndef MOMENTUM_HINTS_H
#define MOMENTUM_HINTS_H

// Hints to the processor that Swift has no words for. They change no value.

// Tells the processor that this is a loop that waits.
static inline void momentum_spin_hint(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  __asm__ volatile("yield" ::: "memory");
#endif
}

#endif
