#include "kernel_choice.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#if defined(__linux__)
#include <dirent.h>
#include <stdio.h>
#endif

#include "loaded_blas.h"
#include "openblas_symbols.h"

static const char variable[] = "OPENBLAS_CORETYPE";

static momentum_kernel_choice choice;
static char before[32];

momentum_kernel_choice momentum_kernels(void) { return choice; }

const char *momentum_kernels_before(void) { return before; }

#if defined(__linux__)
// The threads of this process; 0 if it cannot be known.
static int threads_of_process(void) {
  DIR *folder = opendir("/proc/self/task");
  if (!folder) return 0;
  int count = 0;
  for (struct dirent *entry; (entry = readdir(folder));) count += entry->d_name[0] != '.';
  closedir(folder);

  // qemu has one of its own for every program that it runs. It shows by a process state that no kernel reports.
  FILE *file = fopen("/proc/self/stat", "re");
  char state = 0;
  if (file) {
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 0;
    fclose(file);
  }
  return count - (state == '0' && count > 1);
}

// The threads that OpenBLAS has started and that nothing but a BLAS call wakes. Those of OpenMP belong to the whole program, so
// they count as none of OpenBLAS's; they start with the first call that needs them.
static int threads_of_openblas(void) {
  if (momentum_openblas_parallel() != 1 || !IS_IN_BLAS(blas_server_avail) || !IS_IN_BLAS(blas_num_threads)) return 0;
  // Before a fork it ends its threads, until a call needs them again.
  return *ADDRESS(blas_server_avail) ? *ADDRESS(blas_num_threads) - 1 : 0;
}

static bool nobody_else_computes(void) {
  int threads = threads_of_process();
  return threads > 0 && threads - 1 <= threads_of_openblas();
}
#else
static bool nobody_else_computes(void) { return false; }
#endif

static bool runs(const char *family) {
  const char *core = momentum_openblas_core();
  return core && strcasecmp(core, family) == 0;
}

int momentum_take_kernels(const char *family) {
  // OpenBLAS reads the variable only while it chooses.
  if (getenv(variable) || setenv(variable, family, 1) != 0) return 0;
  ADDRESS(gotoblas_dynamic_quit)();
  ADDRESS(gotoblas_dynamic_init)();
  unsetenv(variable);
  return runs(family);
}

static momentum_kernel_choice choose(bool caller_knows) {
  if (!momentum_blas_is_openblas()) return momentum_kernels_of_library;
  if (getenv(variable)) return momentum_kernels_of_environment;
  bool can_choose = IS_IN_BLAS(gotoblas_dynamic_init) && IS_IN_BLAS(gotoblas_dynamic_quit);
  // In a static library this code may run first. Does nothing if OpenBLAS has chosen.
  if (can_choose) ADDRESS(gotoblas_dynamic_init)();

  const char *running = momentum_openblas_core();
  if (!running) return momentum_kernels_of_library;
  momentum_vectors vectors = momentum_processor_vectors();
  const char *better = momentum_better_kernels(running, vectors);
  if (!better) return choice == momentum_kernels_chosen ? choice : momentum_kernels_of_library;
  if (!can_choose) {
    const char *config = momentum_openblas_config();
    return config && strstr(config, "DYNAMIC_ARCH") ? momentum_kernels_refused_for_hiding
                                                    : momentum_kernels_refused_for_one_target;
  }
  if (!caller_knows && !nobody_else_computes()) return momentum_kernels_refused_for_threads;
  // The name may lie in memory that the next choice overwrites.
  char previous[sizeof before] = "";
  strncpy(previous, running, sizeof previous - 1);
  momentum_take_kernels(better);
  running = momentum_openblas_core();
  if (!running || momentum_better_kernels(running, vectors)) return momentum_kernels_refused_by_library;
  memcpy(before, previous, sizeof before);
  return momentum_kernels_chosen;
}

momentum_kernel_choice momentum_choose_kernels(void) { return choice = choose(true); }

// Runs when the libraries that this one needs are initialised: in a program before main, in a plugin during dlopen.
__attribute__((constructor)) static void choose_when_loaded(void) { choice = choose(false); }
