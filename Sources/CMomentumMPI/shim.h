#ifndef MOMENTUM_MPI_SHIM_H
#define MOMENTUM_MPI_SHIM_H

// MPI as Swift can call it. Its constants are macros, and its handles are pointers in one MPI and numbers in another: here
// constants stay inside functions, and handles inside structs.
#include <mpi.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct { MPI_Comm value; } CMPIComm;

// What travels between two ranks in one cmpi_exchange.
typedef struct {
  void *bytes;
  int count, peer, tag, isSend;
} CMPITransfer;

// The MPI whose header this was compiled with.
static inline const char *cmpi_header(void) {
#if defined(OPEN_MPI)
  return "Open MPI";
#elif defined(MPICH_VERSION)
  return "MPICH";
#else
  return "";
#endif
}

static inline int cmpi_library(char *text, int capacity) {
  char version[MPI_MAX_LIBRARY_VERSION_STRING] = {0};
  int length = 0, code = MPI_Get_library_version(version, &length);
  for (int i = 0; i < capacity; i++) text[i] = i < length && i < capacity - 1 ? version[i] : 0;
  return code;
}

static inline int cmpi_error_text(int code, char *text, int capacity) {
  char message[MPI_MAX_ERROR_STRING] = {0};
  int length = 0, result = MPI_Error_string(code, message, &length);
  for (int i = 0; i < capacity; i++) text[i] = i < length && i < capacity - 1 ? message[i] : 0;
  return result;
}

static inline int cmpi_is_started(void) { int flag = 0; MPI_Initialized(&flag); return flag; }
static inline int cmpi_is_finished(void) { int flag = 0; MPI_Finalized(&flag); return flag; }

// Several threads may call MPI, one at a time. Sets *granted to 0 if the MPI does not allow that.
static inline int cmpi_start(int *granted) {
  int provided = 0, code = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided);
  *granted = provided >= MPI_THREAD_SERIALIZED;
  return code;
}
static inline int cmpi_finish(void) { return MPI_Finalize(); }
static inline void cmpi_abort(int status) { MPI_Abort(MPI_COMM_WORLD, status); }

// A copy, with a message space and an error handler of its own.
static inline int cmpi_copy(CMPIComm comm, CMPIComm *copy) {
  int code = MPI_Comm_dup(comm.value, &copy->value);
  return code ? code : MPI_Comm_set_errhandler(copy->value, MPI_ERRORS_RETURN);
}
static inline CMPIComm cmpi_world(void) { return (CMPIComm){MPI_COMM_WORLD}; }
static inline CMPIComm cmpi_from_fortran(int32_t handle) { return (CMPIComm){MPI_Comm_f2c(handle)}; }
static inline int32_t cmpi_to_fortran(CMPIComm comm) { return (int32_t)MPI_Comm_c2f(comm.value); }
static inline int cmpi_split(CMPIComm comm, int color, int key, CMPIComm *part) {
  int code = MPI_Comm_split(comm.value, color < 0 ? MPI_UNDEFINED : color, key, &part->value);
  if (code || part->value == MPI_COMM_NULL) return code;
  return MPI_Comm_set_errhandler(part->value, MPI_ERRORS_RETURN);
}
static inline int cmpi_split_node(CMPIComm comm, CMPIComm *part) {
  int code = MPI_Comm_split_type(comm.value, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &part->value);
  return code ? code : MPI_Comm_set_errhandler(part->value, MPI_ERRORS_RETURN);
}
static inline int cmpi_is_null(CMPIComm comm) { return comm.value == MPI_COMM_NULL; }
static inline int cmpi_free(CMPIComm *comm) { return MPI_Comm_free(&comm->value); }
static inline int cmpi_rank(CMPIComm comm, int *rank) { return MPI_Comm_rank(comm.value, rank); }
static inline int cmpi_size(CMPIComm comm, int *size) { return MPI_Comm_size(comm.value, size); }

static inline int cmpi_sum_words(CMPIComm comm, uint64_t *words, int count) {
  return MPI_Allreduce(MPI_IN_PLACE, words, count, MPI_UINT64_T, MPI_SUM, comm.value);
}
// MPICH 4.0 takes 64-bit words for signed numbers in MPI_MAX.
static inline void cmpi_max_of_two(void *next, void *largest, int *count, MPI_Datatype *type) {
  (void)type;
  for (int i = 0; i < *count; i++) {
    uint64_t word = ((const uint64_t *)next)[i];
    if (word > ((uint64_t *)largest)[i]) ((uint64_t *)largest)[i] = word;
  }
}
static inline int cmpi_max_words(CMPIComm comm, uint64_t *words, int count) {
  MPI_Op operation;
  int code = MPI_Op_create(cmpi_max_of_two, 1, &operation);
  if (code) return code;
  code = MPI_Allreduce(MPI_IN_PLACE, words, count, MPI_UINT64_T, operation, comm.value);
  int freed = MPI_Op_free(&operation);
  return code ? code : freed;
}
static inline int cmpi_broadcast(CMPIComm comm, void *bytes, int count, int root) {
  return MPI_Bcast(bytes, count, MPI_BYTE, root, comm.value);
}
static inline int cmpi_sum_floats(CMPIComm comm, float *values, int count) {
  return MPI_Allreduce(MPI_IN_PLACE, values, count, MPI_FLOAT, MPI_SUM, comm.value);
}
static inline int cmpi_sum_doubles(CMPIComm comm, double *values, int count) {
  return MPI_Allreduce(MPI_IN_PLACE, values, count, MPI_DOUBLE, MPI_SUM, comm.value);
}

// Sums the values of all ranks into others of the root. Not in place: MPICH 4.0 then crashes if the root is not rank 0.
static inline int cmpi_reduce_floats(CMPIComm comm, const float *values, float *sum, int count, int root) {
  return MPI_Reduce(values, sum, count, MPI_FLOAT, MPI_SUM, root, comm.value);
}
static inline int cmpi_reduce_doubles(CMPIComm comm, const double *values, double *sum, int count, int root) {
  return MPI_Reduce(values, sum, count, MPI_DOUBLE, MPI_SUM, root, comm.value);
}

// All transfers at once; returns when all have ended. Those between two ranks with one tag keep their order.
static inline int cmpi_exchange(CMPIComm comm, const CMPITransfer *transfers, int count) {
  MPI_Request *requests = malloc(sizeof(MPI_Request) * (size_t)(count > 0 ? count : 1));
  if (!requests) return MPI_ERR_NO_MEM;
  int started = 0, code = MPI_SUCCESS;
  // Receives first, so that messages find their place.
  for (int isSend = 0; isSend < 2; isSend++)
    for (int i = 0; i < count && code == MPI_SUCCESS; i++) {
      CMPITransfer one = transfers[i];
      if (one.isSend != isSend) continue;
      code = isSend ? MPI_Isend(one.bytes, one.count, MPI_BYTE, one.peer, one.tag, comm.value, &requests[started])
                    : MPI_Irecv(one.bytes, one.count, MPI_BYTE, one.peer, one.tag, comm.value, &requests[started]);
      if (code == MPI_SUCCESS) started++;
    }
  if (code == MPI_SUCCESS) code = MPI_Waitall(started, requests, MPI_STATUSES_IGNORE);
  free(requests);
  return code;
}

// Transfers that take place while something else is done.
typedef struct {
  MPI_Request *requests;
  int count, capacity;
} CMPIFlight;

static inline int cmpi_flight_start(CMPIComm comm, CMPIFlight *flight, CMPITransfer one) {
  if (flight->count == flight->capacity) {
    int capacity = flight->capacity ? 2 * flight->capacity : 64;
    MPI_Request *requests = realloc(flight->requests, sizeof(MPI_Request) * (size_t)capacity);
    if (!requests) return MPI_ERR_NO_MEM;
    flight->requests = requests;
    flight->capacity = capacity;
  }
  MPI_Request *request = &flight->requests[flight->count];
  int code = one.isSend ? MPI_Isend(one.bytes, one.count, MPI_BYTE, one.peer, one.tag, comm.value, request)
                        : MPI_Irecv(one.bytes, one.count, MPI_BYTE, one.peer, one.tag, comm.value, request);
  if (code == MPI_SUCCESS) flight->count++;
  return code;
}
// MPI moves bytes while it is called, and need not otherwise.
static inline int cmpi_flight_progress(CMPIFlight *flight) {
  int ended = 0;
  return MPI_Testall(flight->count, flight->requests, &ended, MPI_STATUSES_IGNORE);
}
static inline int cmpi_flight_wait(CMPIFlight *flight) {
  int code = MPI_Waitall(flight->count, flight->requests, MPI_STATUSES_IGNORE);
  flight->count = 0;
  return code;
}
static inline void cmpi_flight_free(CMPIFlight *flight) {
  free(flight->requests);
  *flight = (CMPIFlight){0};
}

#endif
