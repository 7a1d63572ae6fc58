#ifndef MOMENTUM_KERNEL_CHOICE_H
#define MOMENTUM_KERNEL_CHOICE_H

// The choice of OpenBLAS's kernels.
//
// OpenBLAS chooses them by the processor's model number. For a processor that is newer than itself it may take its oldest ones,
// which have half the speed. The choice can be made anew, but not while another thread computes: that thread's results would be
// wrong. So it is done when this library is loaded, usually before main, and only if there is nobody who could compute.

typedef enum momentum_kernel_choice {
  // Those that OpenBLAS has chosen, because none suit the processor better; also if the BLAS is not OpenBLAS.
  momentum_kernels_of_library,
  // Those that the caller has chosen by OPENBLAS_CORETYPE, set to anything.
  momentum_kernels_of_environment,
  // Others than OpenBLAS has chosen.
  momentum_kernels_chosen,
  // There are better ones, but
  // the process has other threads than OpenBLAS's,
  momentum_kernels_refused_for_threads,
  // the library hides the functions that are needed,
  momentum_kernels_refused_for_hiding,
  // it has no others,
  momentum_kernels_refused_for_one_target,
  // or it did not take them.
  momentum_kernels_refused_by_library,
} momentum_kernel_choice;

// The choice as it stands.
momentum_kernel_choice momentum_kernels(void);

// The kernels that ran before they were chosen; empty if they were not.
const char *momentum_kernels_before(void);

// Chooses again. Only for callers that know that no thread is in a BLAS routine or reads the environment.
momentum_kernel_choice momentum_choose_kernels(void);

// Vectors that a processor has, and the operating system has enabled.
typedef struct momentum_vectors {
  // AVX2 and fused multiply-add.
  int has_256_bits;
  // The extensions of AVX-512 that the kernels for SkylakeX need.
  int has_512_bits;
  // Whether an instruction on 512 bits is executed as two on 256. AMD's Zen 4 does so, and is slower with them.
  int splits_512_bits;
} momentum_vectors;

momentum_vectors momentum_processor_vectors(void);

// The family whose kernels suit a processor better than those that run; null if none do. By the width of the vectors, because
// releases give kernels of one width different names.
const char *momentum_better_kernels(const char *running, momentum_vectors vectors);

// Makes OpenBLAS take the kernels of a family. Returns whether it runs them now. Same condition as above. For tests.
int momentum_take_kernels(const char *family);

#endif
