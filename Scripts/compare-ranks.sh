#!/usr/bin/env bash
# Measures a step on the ranks of MPI (mean of all gradients, clip by global norm, momentum) beside PyTorch over gloo and
# NumPy over mpi4py: processes interleaved, one thread a rank, each bound to a core where there are enough.
#
# Usage: Scripts/compare-ranks.sh [OPTIONS]
#        Scripts/compare-ranks.sh --model report-ranks/ranks.json [OPTIONS]
#
#   --ranks LIST      1, 2, 4 or 8 (default: 1,2,4)
#   --sizes LIST      numbers of parameters (default: 1e6,1e7)
#   --peers LIST      mpi4py,allreduce,ddp,zero,fsdp,deepspeed (default: all)
#   --rounds N        processes of each program and case (default: 3)
#   --repeats N       samples a process takes (default: 5)
#   --output FOLDER   default: report-ranks
#
# Every program checks its result before it is timed. Beside the times: the error of each norm, whether the parameters
# after two steps of eight micro-batches have the bits that they have on the first number of ranks, and the messages and
# bytes that rank 0 has called MPI for, counted by a library in front of it. Of ours those must be what their formula says,
# on every rank. Writes ranks.md and ranks.json, and ends with the quotients to the fastest peer and to MPI's own sum.
#
# --model tells what a step would take on up to 4096 ranks with up to 10^12 parameters, from the constants in the
# measurements and from assumptions on a network (--ranks-per-node, --network-latency, --network-bandwidth), checks that on
# what was measured, and says how much memory a rank needs.
#
# Needs Open MPI (Scripts/setup.sh --mpi). Installs the peers into .venv-peers, or takes those of the environment that
# PEERS_ENVIRONMENT names; see Scripts/peers.bash. Builds the command in release mode; PEERS_MOMENTUM_MPI names a built
# one to use instead.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"
source "$root/Scripts/peers.bash"

case "${1-}" in
  -h | --help) help; exit ;;
  --model) shift; exec python3 -B "$root/Benchmarks/peers/rank_model.py" "$@" ;;
esac
command -v mpicc >/dev/null || fail "no 'mpicc' in PATH; Scripts/setup.sh --mpi installs Open MPI"
provide_peers
momentum="${PEERS_MOMENTUM_MPI-}"
if [ -z "$momentum" ]; then
  build=(swift build --package-path "$root" --scratch-path "$root/.build-mpi" --traits default,MPI -c release)
  step "Building the command (release)" "${build[@]}" --product momentum-mpi
  momentum="$("${build[@]}" --show-bin-path)/momentum-mpi"
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mpicc -O2 -shared -fPIC -o "$scratch/count_messages.so" "$root/Benchmarks/peers/count_messages.c"
"$environment/bin/python" -B "$root/Benchmarks/peers/compare_ranks.py" --momentum "$momentum" \
  --counter "$scratch/count_messages.so" "$@"
