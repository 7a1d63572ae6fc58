#!/usr/bin/env bash
# Builds everything with warnings as errors and runs the tests.
#
# Usage: Scripts/test.sh [--quick] [--debug] [--sanitize thread|address] [arguments of 'swift test']
#   --quick      run the tests once only, not again under other BLAS kernels, and no case of several processes
#   --debug      with a debug build, which is sooner built again after a change, and whose tests take several times as long
#   --sanitize   build with ThreadSanitizer or AddressSanitizer (in .build-tsan or .build-asan) and run the tests under it;
#                nothing else is run
#
# Anything else goes to swift test, for example '--filter SGDTests'. By default: a release build; then all tests as they are, and
# beside them the tests of the library once for each kind of BLAS kernel that this processor can run, the plainest kind with
# one BLAS thread, and, where there is an MPI (Scripts/setup.sh --mpi), the cases of several processes
# (Scripts/test-mpi.sh --quick); these not where tests are chosen by arguments.
# The build lies in .build-release; a debug build in .build, or with an MPI in .build-mpi. The output of each run is kept in
# .build-logs/.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

quick=false
mode=release
sanitizer=
arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) quick=true ;;
    --debug) mode=debug ;;
    --sanitize)
      sanitizer=${2-}
      case "$sanitizer" in
        thread | address) shift ;;
        *) fail "--sanitize expects thread or address, not '$sanitizer'" ;;
      esac
      ;;
    -h | --help) help; exit ;;
    *) arguments+=("$1") ;;
  esac
  shift
done

# Whether the cases of several processes are wanted.
cases=true
if $quick || [ ${#arguments[@]} -gt 0 ]; then cases=false; fi

logs="$root/.build-logs"
mkdir -p "$logs"
rm -f "$logs"/*.log
common=(--package-path "$root" "${strict[@]}")

# build NAME OPTION...: builds the package with its tests. The compilers stop at a warning; those of SwiftPM (a file that
# belongs to no target, say) are looked for in the log. The linker's do not count: it has some about AddressSanitizer itself.
build() {
  local log="$logs/$1-build.log" warnings
  shift
  swift build --build-tests "${common[@]}" "$@" 2>&1 | tee "$log"
  warnings=$(grep -E '(^|: )warning: ' "$log" | grep -vE '/ld[^ ]*: warning: ' || true)
  [ -z "$warnings" ] || fail "the build has warnings: $warnings"
}

# run_tests NAME OPTION...: runs tests that are built already. XCTest is the only test framework here; without the flag
# swift test would close by saying that Swift Testing ran no test.
run_tests() {
  local log="$logs/$1.log"
  shift
  # Runs that stand beside each other build nothing, so the lock of a build folder would only make them wait.
  swift test --skip-build --ignore-lock --disable-swift-testing "${common[@]}" "$@" 2>&1 | tee "$log"
  grep -E 'Executed [1-9][0-9]* tests?, with' "$log" >/dev/null || fail "no test was run; log: $log"
}

# run_cases: runs the cases of several processes.
run_cases() {
  local build=()
  [ "$mode" = debug ] || build=(--build-folder .build-release)
  "$root/Scripts/test-mpi.sh" --quick ${mpi_test[@]+"${mpi_test[@]}"} ${build[@]+"${build[@]}"} </dev/null 2>&1 | tee "$logs/mpi.log"
}

# start COMMAND...: runs tests in the background, for finish. Most tests leave one of two processors idle.
start() {
  "$@" >/dev/null 2>&1 &
  started=$!
}

# finish PROCESS NAME...: waits for tests in the background, and prints what they have said.
finish() {
  local process=$1 status=0 name
  shift
  wait "$process" || status=$?
  for name in "$@"; do
    [ ! -e "$logs/$name.log" ] || cat "$logs/$name.log"
  done
  [ "$status" -eq 0 ] || fail "the tests '$*' ended with $status"
}

# Core types of OpenBLAS that this processor can run. It asks the processor only when it knows it, and takes slower kernels for
# one that is newer than itself: so results are looked at under each kind, not just under the one that it picked here.
core_types() {
  [ "$(uname -m)" = x86_64 ] && [ -r /proc/cpuinfo ] || return 0
  local flags
  flags=" $(sed -n 's/^flags[^:]*: //p' /proc/cpuinfo | head -n 1) "
  has() { case "$flags" in *" $1 "*) return 0 ;; *) return 1 ;; esac }
  echo Prescott
  if has avx2 && has fma; then echo Haswell; fi
  if has avx512f && has avx512dq && has avx512bw && has avx512vl; then echo SkylakeX; fi
}

# Waits until a run beside this one is past its beginning, where SwiftPM writes the plan of a build folder, also without building:
# of two that began together one could read half a plan.
wait_for_first_test() {
  until grep -Eqs '^Test (Suite|Case)' "$logs/$mode.log"; do
    kill -0 $$ 2>/dev/null || exit 1
    sleep 0.2
  done
}

# The tests of the library once for each kind of kernel, the plainest kind with one BLAS thread, and then the cases.
other_tests() {
  local core
  wait_for_first_test
  (
    [ ${#cores[@]} -eq 0 ] || export OPENBLAS_CORETYPE=${cores[0]}
    export OPENBLAS_NUM_THREADS=1
    run_tests "$mode-1-thread" ${how[@]+"${how[@]}"} "${library[@]}"
  )
  for core in "${cores[@]:1}"; do
    OPENBLAS_CORETYPE=$core run_tests "$mode-$core" ${how[@]+"${how[@]}"} "${library[@]}"
  done
  if $cases; then run_cases; fi
}

"$root/Scripts/setup.sh"

if [ -n "$sanitizer" ]; then
  case "$sanitizer" in
    thread) scratch="$root/.build-tsan" ;;
    address) scratch="$root/.build-asan" ;;
  esac
  # OpenBLAS is not instrumented, so ThreadSanitizer cannot see how its threads synchronise. AddressSanitizer's search for
  # leaks needs ptrace, which containers refuse.
  echo 'race:libopenblas' >"$logs/tsan.suppressions"
  export TSAN_OPTIONS="suppressions=\"$logs/tsan.suppressions\" ${TSAN_OPTIONS-}"
  export ASAN_OPTIONS="detect_leaks=0 ${ASAN_OPTIONS-}"
  step "Building for the $sanitizer sanitizer" build "$sanitizer" --scratch-path "$scratch" --sanitize "$sanitizer"
  step "Tests under the $sanitizer sanitizer" run_tests "$sanitizer" --scratch-path "$scratch" --sanitize "$sanitizer" \
    ${arguments[@]+"${arguments[@]}"}
else
  how=()
  if find_mpi; then
    how=(--scratch-path "$mpi_folder" "${mpi_traits[@]}")
  elif $cases; then
    cases=false
    echo "No MPI with its headers: the cases of several processes are left out (Scripts/setup.sh --mpi installs one)."
  fi
  if [ "$mode" = release ]; then
    find_tests
    how=("${tests_build[@]}")
  fi
  step "Building ($mode)" build "$mode" ${how[@]+"${how[@]}"}
  if ! $quick; then
    # Tests named by the caller replace the choice of the library's.
    library=(${arguments[@]+"${arguments[@]}"})
    [ ${#library[@]} -gt 0 ] || library=(--filter '^Momentum(Optimizer)?Tests\.')
    mapfile -t cores < <(core_types)
    others=(1-thread "${cores[@]:1}")
    others=("${others[@]/#/$mode-}" mpi)
    say "Tests of the library with one BLAS thread${cores[0]+, and each kind of kernels (${cores[*]}),} run beside all tests"
    start other_tests
    beside=$started
  fi
  step "All tests ($mode)" run_tests "$mode" ${how[@]+"${how[@]}"} ${arguments[@]+"${arguments[@]}"}
  if ! $quick; then step "Other kernels, and several processes" finish "$beside" "${others[@]}"; fi
fi

say "Summary; the logs are in $logs"
cd "$logs"
for log in $(ls -tr -- *.log); do
  # The line of the outermost suite is the last of its kind.
  summary=$(grep -E 'Executed [0-9]+ tests?, with|[0-9]+ cases passed' "$log" | tail -n 1 || true)
  [ -z "$summary" ] || printf '%-20s %s\n' "${log%.log}" "$(echo $summary)"
done
