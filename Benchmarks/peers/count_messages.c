// Counts what a process calls MPI for. Loaded before MPI (LD_PRELOAD), it stands in front of some of its routines, as the
// profiling interface of the MPI standard foresees; `momentum-mpi bench` and the workers of the peers read the counters.
#include <mpi.h>
#include <stdint.h>

// Messages to other ranks and their bytes; calls that all ranks make together and the bytes that each hands over.
uint64_t momentum_mpi_traffic[4];

static void count(int place, int elements, MPI_Datatype type) {
  int size = 0;
  PMPI_Type_size(type, &size);
  momentum_mpi_traffic[place]++;
  momentum_mpi_traffic[place + 1] += (uint64_t)elements * (uint64_t)size;
}

int MPI_Send(const void *bytes, int elements, MPI_Datatype type, int peer, int tag, MPI_Comm comm) {
  count(0, elements, type);
  return PMPI_Send(bytes, elements, type, peer, tag, comm);
}
int MPI_Isend(
    const void *bytes, int elements, MPI_Datatype type, int peer, int tag, MPI_Comm comm, MPI_Request *request) {
  count(0, elements, type);
  return PMPI_Isend(bytes, elements, type, peer, tag, comm, request);
}
int MPI_Allreduce(const void *from, void *to, int elements, MPI_Datatype type, MPI_Op operation, MPI_Comm comm) {
  count(2, elements, type);
  return PMPI_Allreduce(from, to, elements, type, operation, comm);
}
int MPI_Reduce(
    const void *from, void *to, int elements, MPI_Datatype type, MPI_Op operation, int root, MPI_Comm comm) {
  count(2, elements, type);
  return PMPI_Reduce(from, to, elements, type, operation, root, comm);
}
int MPI_Bcast(void *bytes, int elements, MPI_Datatype type, int root, MPI_Comm comm) {
  count(2, elements, type);
  return PMPI_Bcast(bytes, elements, type, root, comm);
}
