// OpenBLAS starts its threads while it is loaded, before main. Each of them wants 128 MiB of address space; where a limit does not
// let it start, OpenBLAS ends the process, or the process never ends. The engine has threads of its own and never uses these.
//
// So the command has to ask for one thread before OpenBLAS is initialised. Functions in .preinit_array run then: the libraries are
// in memory, none of them is initialised, and the environment can only be changed by executing the program anew. This costs a few
// milliseconds, once.

#if defined(__linux__)
#include <features.h>
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
// Their own start comes later.
#define HAS_SANITIZER 1
#endif
#endif

// No other C library than GNU's runs functions in .preinit_array.
#if defined(__GLIBC__) && !defined(HAS_SANITIZER)

#include "momentum_process.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

enum { MAXIMUM_VARIABLES = 1 << 14 };

// Whether an entry of the environment, `NAME=value`, gives the variable a value.
static bool sets(const char *entry, const char *name) {
  size_t length = strlen(name);
  return strncmp(entry, name, length) == 0 && entry[length] == '=' && entry[length + 1] != '\0';
}

// Whether OpenBLAS would take the number of its threads from this entry.
static bool sets_threads(const char *entry) {
  return sets(entry, MOMENTUM_THREADS_VARIABLE) || sets(entry, "GOTO_NUM_THREADS") || sets(entry, "OMP_NUM_THREADS");
}

// The tests' process has this function in it, too, and must stay what it is.
static bool is_test_bundle(const char *path) {
  static const char suffix[] = ".xctest";
  size_t length = strlen(path);
  return length >= sizeof suffix - 1 && strcmp(path + length - (sizeof suffix - 1), suffix) == 0;
}

static void start_with_one_blas_thread(int count, char **arguments, char **environment) {
  // `bench` times OpenBLAS with its threads.
  if (count > 1 && strcmp(arguments[1], "bench") == 0) return;

  char *entries[MAXIMUM_VARIABLES + 3];
  size_t used = 0;
  for (char **entry = environment; *entry != NULL; entry++) {
    if (sets_threads(*entry) || used == MAXIMUM_VARIABLES) return;
    entries[used++] = *entry;
  }
  entries[used++] = MOMENTUM_THREADS_VARIABLE "=1";
  entries[used++] = MOMENTUM_THREADS_MARK "=1";
  entries[used] = NULL;

  // If the dynamic linker was run as a program, it is what /proc/self/exe names, and its arguments are others.
  if (getauxval(AT_BASE) == 0) return;
  // The real path and not /proc/self/exe, by which `ps` would call the new process `exe`.
  char path[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0 || (size_t)length >= sizeof path - 1) return;
  path[length] = '\0';
  if (is_test_bundle(path)) return;
  // If this fails, the process goes on with the threads that OpenBLAS starts.
  execve(path, arguments, entries);
}

__attribute__((section(".preinit_array"), used)) static void (*const early_start)(int, char **, char **) =
    start_with_one_blas_thread;

#endif
