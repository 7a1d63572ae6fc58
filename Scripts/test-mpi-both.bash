# Sourced by Scripts/test-mpi.sh --mpich: the bytes of MPICH beside those of Open MPI, where that was tested before.

other="$root/.build-mpi/debug/MomentumMPICases"
if [ -x "$other" ] && command -v mpirun.openmpi >/dev/null; then
  say "Open MPI on three ranks beside MPICH on two: the same norms, parameters and state files"
  # with_other ARGUMENTS...: the cases under Open MPI.
  with_other() {
    timeout -k 5 "$limit" mpirun.openmpi --oversubscribe --allow-run-as-root --bind-to none --mca mpi_yield_when_idle 1 -n 3 \
      "$other" "$@"
  }
  check "norms under both" printed <(with_other norm) on 2 norm
  for setup in "${setups[@]}"; do
    mkdir "$scratch/other-$setup"
    with_other train "setup=$setup" sharding=stateAndGradients "folder=$scratch/other-$setup" >/dev/null
    check "$setup under both" trained "$scratch/other-$setup" 2 "setup=$setup"
  done
else
  say "Not built with Open MPI (Scripts/test-mpi.sh): the bytes are compared with those of one process only"
fi
