// Loads a plugin that chooses kernels, alone or with threads, and prints the choice and a product: for Scripts/test-processors.sh.
//
//     plugin_host PLUGIN THREADS

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *wait_forever(void *unused) {
  for (;;) pause();
  return unused;
}

int main(int count, char **arguments) {
  if (count != 3) return 64;
  pthread_t thread;
  for (int i = 0; i < atoi(arguments[2]); i++) pthread_create(&thread, NULL, wait_forever, NULL);
  void *plugin = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
  if (!plugin) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  int (*kernels)(void) = (int (*)(void))dlsym(plugin, "momentum_kernels");
  const char *(*core)(void) = (const char *(*)(void))dlsym(plugin, "momentum_openblas_core");
  float (*dot)(int, const float *, int, const float *, int) =
      (float (*)(int, const float *, int, const float *, int))dlsym(plugin, "cblas_sdot");
  if (!kernels || !core || !dot) return 1;
  float x[1000];
  for (int i = 0; i < 1000; i++) x[i] = (float)(i % 10);
  printf("choice %d, kernels %s, dot %g, variable %s\n", kernels(), core(), dot(1000, x, 1, x, 1),
         getenv("OPENBLAS_CORETYPE") ? "left behind" : "unset");
  return 0;
}
