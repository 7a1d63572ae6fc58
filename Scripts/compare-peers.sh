#!/usr/bin/env bash
# Measures PyTorch, JAX with Optax, Keras, MLX, NumPy, SciPy and plain OpenBLAS calls beside this library, or compares
# its numbers with theirs, or what each of them makes of half precision.
#
# Usage: Scripts/compare-peers.sh [OPTIONS]                     speed
#        Scripts/compare-peers.sh --matrices LIST [OPTIONS]     speed of Muon
#        Scripts/compare-peers.sh --numbers TRIALS [OPTIONS]    numbers
#        Scripts/compare-peers.sh --half [OPTIONS]              half precision
#
# Installs the peers into .venv-peers, or takes those of the environment that PEERS_ENVIRONMENT names; see
# Scripts/peers.bash. Builds the command in release mode; PEERS_MOMENTUM names a built one to use instead.
#
# Speed: one step (clip by global norm to 1, momentum 0.9, Float), the processes of all programs interleaved, the same
# number of threads for each. Every program checks its result before it is timed. Beside the peers: our step in one pass,
# hand-fused loops in C that move the same bytes, and plain OpenBLAS calls. Writes peers.md, peers.csv, peers.json and a
# picture, peers.svg and peers.png.
#   --sizes LIST      vectors of so many parameters, or none (default: 1e3,1e4,1e5,1e6,1e7,1e8; the last needs 4 GB)
#   --models LIST     resnet50,gpt2 or none (default: both)
#   --step NAME       plain, or nesterov-decay: with Nesterov momentum and a weight decay of 0.01 (default: plain)
#   --peers LIST      torch-fused,torch-compiled,jax,keras-graph,keras-xla,mlx,mlx-compiled,numpy,scipy-blas
#                     (default: all that take this step; Keras decays otherwise, and the last two are written for plain)
#   --rounds N        processes of each program and case (default: 5)
#   --repeats N       samples a process takes (default: 10)
#   --threads N       default: as many as the process may use
#   --output FOLDER   default: report-peers
#
# Speed of Muon: likewise one step, momentum 0.95 with Nesterov's look-ahead, five steps of Newton-Schulz, Float; of one
# matrix, such as 768x3072, or of gpt2, the 48 matrices of its blocks. PyTorch as shipped multiplies matrices in bfloat16;
# torch-float is the same with its iteration in Float. Each program must come within 1e-3 of the exact result (relative, in
# norm), one in bfloat16 within 5e-2. Beside the peers: products of two tiles in cache, as many operations as ours has (the
# limit), and the same steps as plain products of whole matrices by OpenBLAS. Large matrices take minutes.
#   --peers LIST      torch,torch-float,jax,keras-graph,keras-xla,mlx (default: all)
#   --rounds, --repeats, --threads, --output: as above
#
# Numbers: random tensors and options, 1 to 100 steps in up to four phases, each with its own gradients, learning rate
# and momentum, by the peer and by 'momentum step' with the peer's convention. After each phase parameters and velocity
# must agree within 16 + 8 * steps epsilons of the largest element that the tensor has had (or, of a velocity, has been
# given); gradients that 'momentum clip' clipped within 24; and norms within 3e-7 of those in Double. Then as many trials
# of 20 steps of Muon, Lion, AdamW and Signum (Optax) each. Muon: the Frobenius norm of a difference within 1e-6 of that of the
# tensor, in Double as many epsilons, or, where the steps go further than the tensor is long, within what the roundings of the
# iteration on both sides do by its condition (the table then shows more than 1, and none that failed); PyTorch's as shipped
# within what rounding to bfloat16 does, likewise (Scripts/reference/rule_bounds.py derives both), and with its iteration in the
# parameters' type as the others. The other rules: as the steps above; of Lion and Signum without elements whose sign the last
# digits decide. A trial of Muon that disagrees, but in which the peer itself goes as far elsewhere when all its numbers change in
# the last place, decides nothing either: the table counts them apart, of each rule up to one in a hundred, or one. Exits with 1
# if a trial fails, whose files are kept, or if more are undecided.
#   --peers LIST      torch,keras,optax,mlx (default: all that are installed)
#   --seed N          default: a fresh one, which is printed
#   --output FOLDER   default: report-peers-numbers
#
# Half precision: norms and clips of large gradients of BFloat16 and Float16, and a parameter of BFloat16 after 1000 small
# steps, by each peer and by this library, beside the exact results. Writes half.md and half.json; needs 400 MB for a file of
# gradients, which it removes. Exits with 1 if this library's results are not the exact ones.
#   --peers LIST      torch,optax,mlx (default: all that are installed)
#   --output FOLDER   default: report-peers-half
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"
source "$root/Scripts/peers.bash"

program="$root/Benchmarks/peers/compare.py"
arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) help; exit ;;
    --numbers)
      [[ "${2-}" =~ ^[1-9][0-9]*$ ]] || fail "--numbers: '${2-}' is not a positive number of trials"
      program="$root/Scripts/reference/compare_numbers.py"
      arguments+=(--trials "$2")
      shift 2
      ;;
    --half) program="$root/Scripts/reference/compare_half.py"; shift ;;
    *) arguments+=("$1"); shift ;;
  esac
done

provide_peers
momentum="${PEERS_MOMENTUM-}"
if [ -z "$momentum" ]; then
  step "Building the command (release)" swift build --package-path "$root" -c release --product momentum
  momentum="$(swift build --package-path "$root" -c release --show-bin-path)/momentum"
fi
exec "$environment/bin/python" -B "$program" --momentum "$momentum" ${arguments[@]+"${arguments[@]}"}
