#ifndef MOMENTUM_THREAD_NAME_H
#define MOMENTUM_THREAD_NAME_H

#if defined(__APPLE__)
#include <pthread.h>
#elif defined(__linux__)
#include <sys/prctl.h>
#endif

// Names the calling thread, for tools that list threads, such as top and perf; at most 15 characters. The system's function
// for it is hidden from Swift.
static inline void momentum_name_thread(const char *name) {
#if defined(__APPLE__)
  pthread_setname_np(name);
#elif defined(__linux__)
  prctl(PR_SET_NAME, name, 0, 0, 0);
#else
  (void)name;
#endif
}

#endif
