#define _GNU_SOURCE
#include "loaded_blas.h"

#include <dlfcn.h>
#if !defined(__APPLE__)
#include <link.h>
#endif
#include <stddef.h>
#include <stdint.h>

#include "openblas_symbols.h"

extern float cblas_sdot(int n, const float *x, int incx, const float *y, int incy);

#if defined(__APPLE__)
static const void *object_of(const void *address) {
  Dl_info info;
  return dladdr(address, &info) ? info.dli_fbase : NULL;
}
#else
typedef struct search {
  uintptr_t address;
  const void *object;
} search;

static int look_into(struct dl_phdr_info *object, size_t size, void *argument) {
  (void)size;
  search *search = argument;
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
    uintptr_t start = object->dlpi_addr + segment->p_vaddr;
    if (segment->p_type == PT_LOAD && search->address - start < segment->p_memsz) {
      search->object = object->dlpi_phdr;
      return 1;
    }
  }
  return 0;
}

// Something that tells the loaded objects apart. Not by dladdr, which goes through all symbols of an object to find the nearest
// one: in an OpenBLAS that takes longer than everything else that is done when a program starts.
static const void *object_of(const void *address) {
  search search = {(uintptr_t)address, NULL};
  dl_iterate_phdr(look_into, &search);
  return search.object;
}
#endif

int momentum_is_in_blas(const void *address) { return object_of(address) == object_of((const void *)&cblas_sdot); }

const char *momentum_file_of(const char *function) {
  Dl_info info;
  const void *address = dlsym(RTLD_DEFAULT, function);
  return address && dladdr(address, &info) ? info.dli_fname : NULL;
}

const char *momentum_openblas_config(void) {
  return IS_IN_BLAS(openblas_get_config) ? ADDRESS(openblas_get_config)() : NULL;
}

const char *momentum_openblas_core(void) {
  if (IS_IN_BLAS(openblas_get_corename)) return ADDRESS(openblas_get_corename)();
  return IS_IN_BLAS(gotoblas_corename) ? ADDRESS(gotoblas_corename)() : NULL;
}

int momentum_blas_is_openblas(void) { return momentum_openblas_config() != NULL || momentum_openblas_core() != NULL; }

int momentum_openblas_parallel(void) {
  return IS_IN_BLAS(openblas_get_parallel) ? ADDRESS(openblas_get_parallel)() : -1;
}

int momentum_openblas_threads(void) {
  return IS_IN_BLAS(openblas_get_num_threads) ? ADDRESS(openblas_get_num_threads)() : 0;
}

int momentum_openblas_processors(void) {
  return IS_IN_BLAS(openblas_get_num_procs) ? ADDRESS(openblas_get_num_procs)() : 0;
}

int momentum_blas_integer_bits(void) {
  // The count is 3 for a library that reads its lower half, and negative, which is nothing to sum, for one that reads all of it.
  typedef float wide_dot(int64_t, const float *, int64_t, const float *, int64_t);
  static const float x[3] = {1, 2, 3};
  wide_dot *dot = (wide_dot *)(uintptr_t)&cblas_sdot;
  return dot(INT64_MIN + 3, x, 1, x, 1) == 14 ? 32 : 64;
}
