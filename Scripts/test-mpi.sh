#!/usr/bin/env bash
# Runs the cases of the library for several processes under mpirun, each with a time limit.
#
# Usage: Scripts/test-mpi.sh [--mpich] [--build-folder FOLDER]
#   --mpich                with MPICH and at most two ranks, instead of Open MPI. Its mpirun must come first in PATH, or
#                          be named by the variable MPIRUN, and pkg-config must know "mpich".
#   --build-folder FOLDER  where to build (default: .build-mpi, or .build-mpich)
#
# Needs an MPI with its headers: Scripts/setup.sh --mpi installs Open MPI. Each MPI has a build folder of its own, since
# code compiled with the header of one does not run with another.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

folder= mpich=false
while [ $# -gt 0 ]; do
  case "$1" in
    --mpich) mpich=true ;;
    --build-folder) folder=${2:?"--build-folder needs a folder"}; shift ;;
    -h | --help) help; exit ;;
    *) fail "unknown argument '$1'; see --help" ;;
  esac
  shift
done
cd "$root"

mpirun=${MPIRUN:-mpirun}
command -v "$mpirun" >/dev/null || fail "no '$mpirun' in PATH; Scripts/setup.sh --mpi installs Open MPI"
if $mpich; then
  export MPI_PKG_CONFIG=${MPI_PKG_CONFIG:-mpich}
  launch=() most=2
  : "${folder:=.build-mpich}"
else
  launch=(--oversubscribe --allow-run-as-root --bind-to none) most=8
  : "${folder:=.build-mpi}"
  "$mpirun" --version 2>/dev/null | grep -q 'Open MPI' || fail "'$mpirun' is not that of Open MPI; see --mpich"
fi
# Ranks share the processors here: one thread each.
export OPENBLAS_NUM_THREADS=1

build=(swift build --scratch-path "$folder" --traits default,MPI --jobs 2)
step "Building with MPI" "${build[@]}" --product MomentumMPICases "${strict[@]}"
products=$("${build[@]}" --show-bin-path)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

failed=() passed=0
# check LABEL COMMAND...: counts a case.
check() {
  local label=$1
  shift
  if "$@" >"$scratch/log" 2>&1; then
    passed=$((passed + 1))
  else
    printf 'FAILED: %s\n' "$label"
    sed 's/^/    /' "$scratch/log" | tail -n 20
    failed+=("$label")
  fi
}

# on RANKS ARGUMENTS...: runs the cases on a number of ranks; prints what rank 0 prints.
on() {
  local ranks=$1
  shift
  timeout -k 5 60 "$mpirun" ${launch[@]+"${launch[@]}"} -n "$ranks" "$products/MomentumMPICases" "$@" 2>"$scratch/errors" \
    || { cat "$scratch/errors"; return 1; }
}
# printed FILE COMMAND...: whether a command prints the lines of a file.
printed() {
  local expected=$1
  shift
  "$@" >"$scratch/printed" || { cat "$scratch/printed"; return 1; }
  diff "$expected" "$scratch/printed"
}
# trained FOLDER OPTION...: whether a run leaves the files of a folder.
trained() {
  local expected=$1 ranks=$2
  shift 2
  rm -rf "$scratch/run"
  mkdir "$scratch/run"
  on "$ranks" train "folder=$scratch/run" "$@" >/dev/null || return 1
  cmp "$expected/state" "$scratch/run/state" && cmp "$expected/state.parameters" "$scratch/run/state.parameters"
}
# ends COMMAND...: whether a job ends with a failure by itself, within 30 s.
ends() {
  local status=0 start=$SECONDS
  timeout -k 5 30 "$@" || status=$?
  echo "exit $status after $((SECONDS - start)) s"
  [ "$status" -ne 0 ] && [ $((SECONDS - start)) -lt 30 ]
}
numbers() { local n; for n in "$@"; do [ "$n" -gt "$most" ] || echo "$n"; done; }

say "Ranks, words and parts of communicators"
for ranks in $(numbers 1 2 3 4); do check "ranks on $ranks" on "$ranks" ranks; done

say "Norms and coefficients: the same bits on any number of ranks"
on 1 norm >"$scratch/norm"
[ -s "$scratch/norm" ] || fail "the norm on one rank prints nothing"
for ranks in $(numbers 2 3 4 5 8); do check "norm on $ranks" printed "$scratch/norm" on "$ranks" norm; done

say "Parameters and state files: the same bytes on any number of ranks, and those of one process"
for setup in momentum everything lars; do
  reference="$scratch/$setup"
  mkdir "$reference"
  "$products/MomentumMPICases" reference "setup=$setup" "folder=$reference" >"$reference/lines"
  [ -s "$reference/state" ] || fail "one process has left no state"
  for sharding in none state stateAndGradients; do
    for ranks in $(numbers 1 2 3 4); do
      # All numbers of ranks with the setup that has most; the others once.
      if [ "$setup" != everything ] && [ "$ranks" -ne 1 ] && [ "$ranks" -ne "$(numbers 2 3 | tail -n 1)" ]; then continue; fi
      check "$setup, sharding $sharding, on $ranks" trained "$reference" "$ranks" "setup=$setup" "sharding=$sharding"
    done
  done
done
check "one micro-batch for three ranks" on "$(numbers 2 3 | tail -n 1)" train micro=1 sharding=state
check "one micro-batch for three ranks, in rounds" on "$(numbers 2 3 | tail -n 1)" train micro=1 sharding=stateAndGradients

say "Saved on some ranks, resumed on others"
for saved in $(numbers 1 2 3 4); do
  mkdir "$scratch/saved$saved"
  check "saved on $saved" on "$saved" train setup=everything steps=2 "folder=$scratch/saved$saved"
  for resumed in $(numbers 1 2 3 4); do
    check "saved on $saved, resumed on $resumed" trained "$scratch/everything" "$resumed" setup=everything steps=2 \
      "resume=$scratch/saved$saved/state" "sharding=$([ $((resumed % 2)) -eq 0 ] && echo state || echo stateAndGradients)"
  done
done

say "The sum of the library: the same on all ranks"
for sharding in none state; do
  check "library, sharding $sharding" on 2 train reduction=library "sharding=$sharding"
done

say "What goes wrong on one rank is thrown by all"
for ranks in $(numbers 1 2 3); do check "failures on $ranks" on "$ranks" failures; done
for ranks in $(numbers 2 3); do check "ranks that differ, of $ranks" on "$ranks" differences; done

say "The code of the documentation"
for ranks in $(numbers 1 2); do check "snippets on $ranks" on "$ranks" snippets "$scratch"; done

say "Ends: a failure, and in time"
job=("$mpirun" ${launch[@]+"${launch[@]}"} -n 2 "$products/MomentumMPICases")
check "a rank exits early" ends "${job[@]}" exit
check "a rank is killed" ends "${job[@]}" kill
mkdir "$scratch/killed"
check "killed while it saves" ends "${job[@]}" save-for-ever "$scratch/killed/state"
if [ -e "$scratch/killed/state" ]; then
  check "the state of a killed job" on 1 train "resume=$scratch/killed/state" steps=1
else
  failed+=("a killed job has left no state")
fi
check "the launcher of another MPI" ends env PMI_SIZE=2 "$products/MomentumMPICases" norm

say "$passed cases passed, ${#failed[@]} failed, in $SECONDS s"
for label in ${failed[@]+"${failed[@]}"}; do echo "  failed: $label"; done
[ "${#failed[@]}" -eq 0 ]
