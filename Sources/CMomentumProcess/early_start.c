// OpenBLAS starts its threads while it is loaded, before main. Each of them wants 128 MiB of address space; where a limit
// does not let it start, OpenBLAS ends the process, or the process never ends. The engine has threads of its own and never
// uses these.
//
// So the command has to ask for one thread before OpenBLAS is initialised. Functions in .preinit_array run then: the
// libraries are in memory, and none of them is initialised. setenv is of no use there, because the C library takes the
// environment from the loader later. But it takes the array itself. So one entry that no library looks for is lent to
// OpenBLAS, and has its own value again before main.

#include "momentum_process.h"

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

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

extern char **environ;

static char one_thread[] = MOMENTUM_THREADS_VARIABLE "=1";
// The entry that is lent, and its own value. Volatile, because a compiler runs simple constructors itself: it knows
// nothing of what ran before them, finds that nothing is lent, and leaves the one below out.
static char **volatile lent;
static char *volatile own_value;

// Whether an entry of the environment, `NAME=value`, is this variable.
static bool is(const char *entry, const char *name) {
  size_t length = strlen(name);
  return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

// Whether OpenBLAS would take the number of its threads from this entry.
static bool sets_threads(const char *entry) {
  return (is(entry, MOMENTUM_THREADS_VARIABLE) || is(entry, "GOTO_NUM_THREADS") || is(entry, "OMP_NUM_THREADS")) &&
         strchr(entry, '=')[1] != '\0';
}

// Variables for shells and people. Some of them are in every environment that a shell, a batch system or a service makes.
static bool can_be_lent(const char *entry) {
  static const char *const names[] = {"_", "OLDPWD", "SHLVL", "PWD", "SHELL", "LOGNAME", "USER", "HOME", "PATH"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (is(entry, names[i])) return true;
  }
  return false;
}

// The tests' process has these functions in it, too, and must stay what it is.
static bool is_test_bundle(const char *path) {
  static const char suffix[] = ".xctest";
  size_t length = strlen(path);
  return length >= sizeof suffix - 1 && strcmp(path + length - (sizeof suffix - 1), suffix) == 0;
}

static void ask_for_one_thread(int count, char **arguments, char **environment) {
  if (count > 0 && is_test_bundle(arguments[0])) return;
  // `bench` times OpenBLAS with its threads.
  if (count > 1 && strcmp(arguments[1], "bench") == 0) return;
  char **entry_to_lend = NULL;
  for (char **entry = environment; *entry != NULL; entry++) {
    if (sets_threads(*entry)) return;
    if (can_be_lent(*entry)) entry_to_lend = entry;
  }
  if (entry_to_lend == NULL) return;
  lent = entry_to_lend;
  own_value = *lent;
  *lent = one_thread;
}

__attribute__((section(".preinit_array"), used)) static void (*const early_start)(int, char **, char **) =
    ask_for_one_thread;

// Before any other constructor of the program, and after those of its libraries.
__attribute__((constructor(101))) static void take_back(void) {
  if (lent == NULL) return;
  *lent = own_value;
  // A library that has set a variable has made a copy of the array.
  for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
    if (*entry == one_thread) *entry = own_value;
  }
}

int momentum_asked_for_one_thread(void) { return lent != NULL; }

#else

int momentum_asked_for_one_thread(void) { return 0; }

#endif
