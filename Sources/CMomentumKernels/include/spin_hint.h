#ifndef MOMENTUM_SPIN_HINT_H
#define MOMENTUM_SPIN_HINT_H

// Tells the processor that this is a loop that waits. Swift has no word for it.
static inline void momentum_spin_hint(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  __asm__ volatile("yield" ::: "memory");
#endif
}

#endif
