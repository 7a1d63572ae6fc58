#!/usr/bin/env bash
# Measures PyTorch, JAX with Optax, Keras, MLX, NumPy, SciPy and plain OpenBLAS calls beside this library, or compares
# its numbers with theirs.
#
# Usage: Scripts/compare-peers.sh [OPTIONS]                     speed
#        Scripts/compare-peers.sh --numbers TRIALS [OPTIONS]    numbers
#
# Installs the peers into .venv-peers at the root of the repository (3 GB; pinned in Benchmarks/peers/requirements.txt;
# Python 3.11 to 3.13) and builds the command in release mode.
#
# Speed: one step (clip by global norm to 1, momentum 0.9, Float), the processes of all programs interleaved, the same
# number of threads for each. Every program checks its result before it is timed. Writes peers.md, peers.csv, peers.json
# and a picture, peers.svg and peers.png.
#   --sizes LIST      vectors of so many parameters, or none (default: 1e3,1e4,1e5,1e6,1e7,1e8; the last needs 4 GB)
#   --models LIST     resnet50,gpt2 or none (default: both)
#   --peers LIST      torch-fused,torch-compiled,jax,keras-graph,keras-xla,mlx,mlx-compiled,numpy,scipy-blas
#                     (default: all)
#   --rounds N        processes of each program and case (default: 5)
#   --repeats N       samples a process takes (default: 10)
#   --threads N       default: as many as the process may use
#   --output FOLDER   default: report-peers
#
# Numbers: random tensors and options, 1 to 20 steps by the peer and by 'momentum step' with the peer's convention;
# parameters and velocity must agree within 16 + 8 * steps units in the last place of the tensor's largest element, and
# the norm within 3e-7 of one in Double. Exits with 1 if a trial fails, and keeps its files.
#   --peers LIST      torch,keras,optax,mlx (default: all that are installed)
#   --seed N          default: a fresh one, which is printed
#   --output FOLDER   default: report-peers-numbers
#
# PyTorch's package for Linux brings gigabytes of CUDA libraries and does not load without them, so the CPU build is
# asked for: pip finds it if PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS name a place that has it (the index that
# pytorch.org names for CPU). Without it PyTorch is left out and reported as not installed; with
# PEERS_TORCH='torch==2.13.0' in the environment the package with CUDA is taken instead.
#
# PEERS_MOMENTUM names a built command to use, instead of building one.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

environment="$root/.venv-peers"
sources="$root/Benchmarks/peers"
program=compare.py
arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) help; exit ;;
    --numbers)
      [[ "${2-}" =~ ^[1-9][0-9]*$ ]] || fail "--numbers: '${2-}' is not a positive number of trials"
      program=conventions.py
      arguments+=(--trials "$2")
      shift 2
      ;;
    *) arguments+=("$1"); shift ;;
  esac
done

# One installation a line of the requirements: what one peer lacks must not keep the others out.
install_peers() {
  local line
  if [ ! -x "$environment/bin/python" ]; then
    python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
      || fail "$(python3 --version) found; expected Python 3.11 to 3.13, for which all peers have packages"
    python3 -m venv "$environment"
  fi
  grep -v '^ *\(#\|$\)' "$sources/requirements.txt" | while IFS= read -r line; do
    case "$line" in torch==*) line="${PEERS_TORCH:-$line}" ;; esac
    install_line "$line" || echo "cannot be installed here and is left out: $line"
  done
}

# Several requirements on one line share the marker behind the semicolon.
install_line() {
  local marker="" word words=()
  case "$1" in *" ; "*) marker=" ; ${1#* ; }" ;; esac
  for word in ${1%% ; *}; do words+=("$word$marker"); done
  "$environment/bin/pip" install --quiet --disable-pip-version-check "${words[@]}"
}

stamp="$environment/installed"
# Another place to look for packages may have what was missing before.
wanted="$(cat "$sources/requirements.txt") ${PEERS_TORCH-} ${PIP_EXTRA_INDEX_URL-} ${PIP_FIND_LINKS-}"
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  step "Installing the peers into .venv-peers" install_peers
  printf '%s\n' "$wanted" >"$stamp"
fi
momentum="${PEERS_MOMENTUM-}"
if [ -z "$momentum" ]; then
  step "Building the command (release)" swift build --package-path "$root" -c release --product momentum
  momentum="$(swift build --package-path "$root" -c release --show-bin-path)/momentum"
fi
exec "$environment/bin/python" -B "$sources/$program" --momentum "$momentum" ${arguments[@]+"${arguments[@]}"}
