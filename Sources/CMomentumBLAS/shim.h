#ifndef MOMENTUM_BLAS_SHIM_H
#define MOMENTUM_BLAS_SHIM_H

// The routines of CBLAS that are used, as every library has them. Not from a <cblas.h>: libraries disagree on the names of its
// types, and some have none. Counts are 32 bits wide; that the library counts so, too, is looked at when it is first used.

enum { MOMENTUM_ROW_MAJOR = 101, MOMENTUM_NOT_TRANSPOSED = 111, MOMENTUM_TRANSPOSED = 112 };

float cblas_sdot(int n, const float *x, int incx, const float *y, int incy);
float cblas_snrm2(int n, const float *x, int incx);
float cblas_sasum(int n, const float *x, int incx);
// The type of the index differs: size_t, int or a count. It is never negative, and its lower half is the same for all.
int cblas_isamax(int n, const float *x, int incx);
void cblas_sscal(int n, float alpha, float *x, int incx);
void cblas_saxpy(int n, float alpha, const float *x, int incx, float *y, int incy);
void cblas_scopy(int n, const float *x, int incx, float *y, int incy);
void cblas_sgemv(int order, int transposed, int m, int n, float alpha, const float *a, int lda, const float *x, int incx,
                 float beta, float *y, int incy);
void cblas_sgemm(int order, int transposedA, int transposedB, int m, int n, int k, float alpha, const float *a, int lda,
                 const float *b, int ldb, float beta, float *c, int ldc);

double cblas_ddot(int n, const double *x, int incx, const double *y, int incy);
double cblas_dnrm2(int n, const double *x, int incx);
double cblas_dasum(int n, const double *x, int incx);
// The type of the index differs: size_t, int or a count. It is never negative, and its lower half is the same for all.
int cblas_idamax(int n, const double *x, int incx);
void cblas_dscal(int n, double alpha, double *x, int incx);
void cblas_daxpy(int n, double alpha, const double *x, int incx, double *y, int incy);
void cblas_dcopy(int n, const double *x, int incx, double *y, int incy);
void cblas_dgemv(int order, int transposed, int m, int n, double alpha, const double *a, int lda, const double *x, int incx,
                 double beta, double *y, int incy);
void cblas_dgemm(int order, int transposedA, int transposedB, int m, int n, int k, double alpha, const double *a, int lda,
                 const double *b, int ldb, double beta, double *c, int ldc);

#endif
