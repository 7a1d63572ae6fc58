#!/usr/bin/env bash
# Runs the cases of the library for several processes under mpirun, each with a time limit.
#
# Usage: Scripts/test-mpi.sh [--quick | --long] [--mpich] [--build-folder FOLDER]
#   --quick                every kind of case on one number of ranks, the largest of up to three
#   --long                 also every number of ranks under each algorithm of Open MPI's sum, all pairs of ranks that
#                          save and resume, all grids, 200 random failures and 40 killed ranks: about a quarter of an hour
#   --mpich                with MPICH and at most two ranks, instead of Open MPI. MPIRUN names its mpirun (default:
#                          mpirun.mpich, or mpirun where there is none), and pkg-config must know "mpich".
#   --seed N               of random failures (default: a fresh one, which is printed)
#   --build-folder FOLDER  takes the release build of the tests (Scripts/test.sh leaves it in .build-release) instead of a debug
#                          build in .build-mpi, or .build-mpich
#
# Needs an MPI with its headers: Scripts/setup.sh --mpi installs Open MPI, --mpich MPICH beside it. Each MPI has a build
# folder of its own, since code compiled with the header of one does not run with another.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

tests= mpich=false size=usual seed=$RANDOM
while [ $# -gt 0 ]; do
  case "$1" in
    --quick | --long) size=${1#--} ;;
    --mpich) mpich=true ;;
    --seed) seed=${2:?"--seed needs a number"}; shift ;;
    --build-folder) tests=${2:?"--build-folder needs a folder"}; shift ;;
    -h | --help) help; exit ;;
    *) fail "unknown argument '$1'; see --help" ;;
  esac
  shift
done
cd "$root"

mpirun=${MPIRUN:-mpirun}
if $mpich && [ -z "${MPIRUN-}" ] && command -v mpirun.mpich >/dev/null; then mpirun=mpirun.mpich; fi
command -v "$mpirun" >/dev/null || fail "no '$mpirun' in PATH; Scripts/setup.sh --mpi installs Open MPI"
if $mpich; then
  export MPI_PKG_CONFIG=${MPI_PKG_CONFIG:-mpich}
  launch=() most=2 compiler=mpicc.mpich
  command -v "$compiler" >/dev/null || compiler=mpicc
  folder=.build-mpich
else
  # A rank that waits lets others run: something else may be at work on this machine, too.
  launch=(--oversubscribe --allow-run-as-root --bind-to none --mca mpi_yield_when_idle 1) most=8
  compiler=mpicc.openmpi
  command -v "$compiler" >/dev/null || compiler=mpicc
  folder=.build-mpi
  [[ "$("$mpirun" --version 2>/dev/null)" == *"Open MPI"* ]] || fail "'$mpirun' is not that of Open MPI; see --mpich"
fi
# Seconds after which a case counts as hanging. Most take one or two; ranks that take turns with whatever else is at work on
# this machine, such as builds, took a minute.
limit=240
# Ranks share the processors here: one thread each.
export OPENBLAS_NUM_THREADS=1

build=(swift build --jobs 2 "${strict[@]}" --scratch-path "$folder" --traits default,MPI)
if [ -n "$tests" ]; then
  find_mpi || fail "no MPI with its headers, so that the tests are built without; Scripts/setup.sh --mpi installs Open MPI"
  [ "${mpi_test[*]-}" = "$(if $mpich; then echo --mpich; fi)" ] ||
    fail "the tests are built with Open MPI where there is one, and with MPICH elsewhere; expected --mpich there and only there"
  find_tests "$tests"
  build=(swift build --jobs 2 "${strict[@]}" "${tests_build[@]}")
fi
build_products() {
  local product
  for product in MomentumMPICases momentum momentum-mpi; do "${build[@]}" --product "$product"; done
}
step "Building with MPI" build_products
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
  timeout -k 5 "$limit" "$mpirun" ${launch[@]+"${launch[@]}"} -n "$ranks" "$products/MomentumMPICases" "$@" 2>"$scratch/errors" \
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
# numbers N...: those numbers of ranks that are tried; quickly, the largest of up to three.
numbers() {
  local n last
  for n in "$@"; do
    if [ "$n" -gt "$most" ]; then continue; fi
    if [ "$size" != quick ]; then echo "$n"; elif [ "$n" -le 3 ]; then last=$n; fi
  done
  [ -z "${last-}" ] || echo "$last"
}

say "Ranks, words and parts of communicators"
for ranks in $(numbers 1 2 3 4); do check "ranks on $ranks" on "$ranks" ranks; done

say "Norms and coefficients: the same bits on any number of ranks"
on 1 norm >"$scratch/norm"
[ -s "$scratch/norm" ] || fail "the norm on one rank prints nothing"
for ranks in $(numbers 2 3 4 5 8); do check "norm on $ranks" printed "$scratch/norm" on "$ranks" norm; done

# forced ALGORITHM COMMAND...: with one of the algorithms that Open MPI has for its sum over all ranks.
forced() {
  local algorithm=$1
  shift
  OMPI_MCA_coll_tuned_use_dynamic_rules=1 OMPI_MCA_coll_tuned_allreduce_algorithm=$algorithm "$@"
}
say "Parameters and state files: the same bytes on any number of ranks, and those of one process"
setups=(momentum everything lars normalized half silent)
for setup in "${setups[@]}"; do
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

if ! $mpich && [ "$size" != quick ]; then
  say "Under each algorithm of the sum: the same bits, where those of MPI's own sum differ"
  for algorithm in 1 2 3 4 5 6; do
    check "norm under algorithm $algorithm" forced "$algorithm" printed "$scratch/norm" on 3 norm
    check "library under algorithm $algorithm" forced "$algorithm" on 3 train reduction=library sharding=none
    tail -n 1 "$scratch/log" >>"$scratch/sums"
  done
  several() { [ "$(sort -u "$1" | wc -l)" -gt 1 ]; }
  check "the algorithms are not the same" several "$scratch/sums"
fi

if $mpich; then source "$root/Scripts/test-mpi-both.bash"; fi

say "Gradients that travel early: the same bytes"
for sharding in none state stateAndGradients; do
  for ranks in $(numbers 1 2 3); do
    check "tensor by tensor, sharding $sharding, on $ranks" trained "$scratch/everything" "$ranks" setup=everything \
      "sharding=$sharding" by=tensor $([ "$ranks" -eq 2 ] || echo buckets=10000)
  done
  check "in buckets, sharding $sharding" trained "$scratch/everything" 2 setup=everything "sharding=$sharding" buckets=5000
done
check "one micro-batch for three ranks, in buckets" on "$(numbers 2 3 | tail -n 1)" train micro=1 sharding=state \
  buckets=5000 by=tensor

say "Gradients in half precision: the bytes of the same gradients as Floats"
mkdir "$scratch/rounded"
"$products/MomentumMPICases" reference setup=everything gradients=bf16 "folder=$scratch/rounded" >"$scratch/rounded/lines"
cmp -s "$scratch/everything/state" "$scratch/rounded/state" && fail "the gradients were not rounded"
for sharding in none state stateAndGradients; do
  for ranks in $(numbers 1 2 3); do
    check "half gradients, sharding $sharding, on $ranks" trained "$scratch/rounded" "$ranks" setup=everything \
      gradients=bf16 "sharding=$sharding"
  done
  check "half gradients tensor by tensor, sharding $sharding" trained "$scratch/rounded" 2 setup=everything \
    gradients=bf16 "sharding=$sharding" by=tensor buckets=5000
done

say "Saved on some ranks, resumed on others"
# All leave the same file, so that one of them stands for all.
mkdir "$scratch/saved"
check "saved on 1" on 1 train setup=everything steps=2 "folder=$scratch/saved"
for ranks in $(numbers 2 3 4); do
  check "saved on $ranks" trained "$scratch/saved" "$ranks" setup=everything steps=2 sharding=stateAndGradients
done
for ranks in $(numbers 1 2 3 4); do
  check "resumed on $ranks" trained "$scratch/everything" "$ranks" setup=everything steps=2 \
    "resume=$scratch/saved/state" "sharding=$([ $((ranks % 2)) -eq 0 ] && echo state || echo stateAndGradients)"
done
check "resumed without sharding" trained "$scratch/everything" 2 setup=everything steps=2 \
  "resume=$scratch/saved/state" sharding=none

say "The sum of the library: the same on all ranks"
for sharding in none state; do
  check "library, sharding $sharding" on 2 train reduction=library "sharding=$sharding"
done

say "What goes wrong on one rank is thrown by all"
for ranks in $(numbers 1 2 3); do check "failures on $ranks" on "$ranks" failures; done
for ranks in $(numbers 2 3); do check "ranks that differ, of $ranks" on "$ranks" differences; done

say "Placements on a grid: the norms, coefficients and parameters of one process"
on 1 grid-reference >"$scratch/grid"
[ -s "$scratch/grid" ] || fail "one process prints nothing for a grid"
# Data, pipeline and tensor.
case "$size" in
  quick) grids=(2x1x1 1x2x1 1x1x2) ;;
  usual) grids=(1x1x1 2x1x1 1x2x1 1x1x2 2x2x1 2x1x2 2x2x2) ;;
  long) grids=(1x1x1 2x1x1 1x2x1 1x1x2 2x2x1 2x1x2 1x2x2 4x1x1 2x2x2 4x2x1 4x1x2 8x1x1) ;;
esac
for grid in "${grids[@]}"; do
  ranks=$((${grid//x/*}))
  if [ "$ranks" -gt "$most" ]; then continue; fi
  check "grid $grid" printed "$scratch/grid" on "$ranks" grid "$grid"
done

source "$root/Scripts/test-mpi-command.bash"

for ranks in $(numbers 1 2 3); do
  check "command: bench on $ranks" timeout "$limit" "$mpirun" ${launch[@]+"${launch[@]}"} -n "$ranks" "$products/momentum-mpi" bench \
    --count 50000 --repeat 1 --json
done

# What rank 0 reports, on condition that every rank has called MPI for what the formula says.
counted() {
  timeout -k 5 "$limit" "$mpirun" ${launch[@]+"${launch[@]}"} -n "$1" env "LD_PRELOAD=$scratch/count_messages.so" \
    "$products/momentum-mpi" bench --count 50000 6e5 --repeat 1 --json >"$scratch/printed" || return 1
  grep -q '"isTrafficCounted" *: *true' "$scratch/printed" && ! grep -q '"isTrafficCounted" *: *false' "$scratch/printed"
}
"$compiler" -O2 -shared -fPIC -o "$scratch/count_messages.so" "$root/Benchmarks/peers/count_messages.c"
for ranks in $(numbers 1 2 3); do check "command: messages and their bytes on $ranks" counted "$ranks"; done

source "$root/Scripts/test-mpi-training.bash"

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

say "Random failures (seed $seed): the same error everywhere, and nothing written"
trials=$(case "$size" in long) echo 10 ;; *) echo 1 ;; esac)
for round in $(seq "$trials"); do
  ranks=$((round % 3 + 2))
  if [ "$ranks" -gt "$most" ]; then ranks=$most; fi
  check "20 random failures on $ranks, seed $((seed + round))" on "$ranks" trials $((seed + round)) 20
done
if [ "$size" = long ]; then source "$root/Scripts/test-mpi-long.bash"; fi

say "$passed cases passed, ${#failed[@]} failed, in $SECONDS s"
for label in ${failed[@]+"${failed[@]}"}; do echo "  failed: $label"; done
[ "${#failed[@]}" -eq 0 ]
