#define _GNU_SOURCE
#include "exit_gate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/membarrier.h>
#include <sys/syscall.h>
#endif

// The calls that one thread is in. Slots are never freed: one whose thread has ended serves the next new thread.
typedef struct slot {
  _Alignas(64) atomic_uint depth;  // written by the owner alone
  atomic_int owned;
  struct slot *next;
} slot;

static _Atomic(slot *) slots;
static _Thread_local slot *own;
// What a thread uses if there is no memory for a slot; shared, so it is counted atomically.
static slot shared;

static atomic_int closed;
static pthread_t closer;
static pthread_key_t thread_end;
// Whether the kernel can make every thread see that the gate is closed. If not, each entry pays for a fence.
static int has_barrier;

static void release(slot *ended) {
  atomic_store_explicit(&ended->depth, 0, memory_order_relaxed);
  atomic_store_explicit(&ended->owned, 0, memory_order_release);
}

static void end_thread(void *value) {
  own = NULL;
  release(value);
}

static slot *claim(void) {
  for (slot *each = atomic_load(&slots); each; each = each->next) {
    int unowned = 0;
    if (atomic_compare_exchange_strong(&each->owned, &unowned, 1)) return each;
  }
  slot *added = aligned_alloc(64, sizeof(slot));
  if (!added) return &shared;
  atomic_init(&added->depth, 0);
  atomic_init(&added->owned, 1);
  added->next = atomic_load(&slots);
  while (!atomic_compare_exchange_weak(&slots, &added->next, added)) {
  }
  return added;
}

static slot *claim_own(void) {
  own = claim();
  if (own != &shared) pthread_setspecific(thread_end, own);
  return own;
}

static void count(slot *mine, int change) {
  if (mine == &shared) {
    atomic_fetch_add(&mine->depth, (unsigned)change);
  } else {
    unsigned depth = atomic_load_explicit(&mine->depth, memory_order_relaxed);
    atomic_store_explicit(&mine->depth, depth + (unsigned)change, memory_order_release);
  }
}

static _Noreturn void sleep_until_the_end(void) {
  for (;;) pause();
}

void momentum_exit_gate_enter(void) {
  slot *mine = own ? own : claim_own();
  count(mine, 1);
  // The closer must see the count, or this thread that the gate is closed: the barrier of the closer stands for a fence
  // here.
  if (has_barrier) {
    atomic_signal_fence(memory_order_seq_cst);
  } else {
    atomic_thread_fence(memory_order_seq_cst);
  }
  if (__builtin_expect(atomic_load_explicit(&closed, memory_order_acquire), 0)) {
    // A call inside another goes on: the closer waits for the outer one.
    if (pthread_equal(closer, pthread_self()) || (mine != &shared && atomic_load(&mine->depth) > 1)) return;
    count(mine, -1);
    sleep_until_the_end();
  }
}

void momentum_exit_gate_leave(void) { count(own, -1); }

static int is_used(slot *each) { return each != own && atomic_load_explicit(&each->depth, memory_order_acquire) > 0; }

static int any_used(void) {
  if (is_used(&shared)) return 1;
  for (slot *each = atomic_load(&slots); each; each = each->next) {
    if (is_used(each)) return 1;
  }
  return 0;
}

static void close_gate(void) {
  closer = pthread_self();
  atomic_store(&closed, 1);
#if defined(__linux__)
  // Slow, so it is left out if no other thread has ever entered.
  slot *first = atomic_load(&slots);
  if (has_barrier && first && (first->next || first != own)) syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
#endif
  atomic_thread_fence(memory_order_seq_cst);
  // By the clock: a sleep takes longer than it is asked to.
  const struct timespec moment = {0, 100 * 1000};
  struct timespec begun, now;
  clock_gettime(CLOCK_MONOTONIC, &begun);
  for (now = begun; now.tv_sec - begun.tv_sec < 10 && any_used(); clock_gettime(CLOCK_MONOTONIC, &now)) nanosleep(&moment, NULL);
}

// The other threads of the parent, and their calls, do not exist in a child.
static void forget_other_threads(void) {
  atomic_store(&shared.depth, 0);
  for (slot *each = atomic_load(&slots); each; each = each->next) {
    if (each != own) release(each);
  }
}

// When the library is loaded: what is registered with atexit then runs before the destructor of a library that this one
// needs.
__attribute__((constructor)) static void open_gate(void) {
#if defined(__linux__)
  long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  has_barrier = commands > 0 && (commands & MEMBARRIER_CMD_GLOBAL);
#endif
  pthread_key_create(&thread_end, end_thread);
  pthread_atfork(NULL, NULL, forget_other_threads);
  atexit(close_gate);
}
