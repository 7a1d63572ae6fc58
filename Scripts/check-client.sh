#!/usr/bin/env bash
# Builds and runs programs that use the library from outside, and looks at what they get besides.
#
# Usage: Scripts/check-client.sh
#
# Checks, with the package in Tests/OutsideClient:
#   1. it resolves no other package: swift-argument-parser belongs to the command, not to the library;
#   2. it builds, and its first program takes a step and gets the right numbers;
#   3. a network learns digits to a stated accuracy, with the same bytes whether or not it is interrupted;
#   4. a signal of 10^6 samples is found up to a stated residual;
#   5. parameters in mapped memory are the right ones although their process is killed again and again;
#   6. the first program loads OpenBLAS, and neither LAPACK, MPI nor Foundation;
#   7. no C symbol of BLAS is visible to its sources, and what the articles call impossible does not compile.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

case "${1-}" in
  "") ;;
  -h | --help) help; exit ;;
  *) fail "unknown argument '$1'; see --help" ;;
esac

client=(--package-path "$root/Tests/OutsideClient")

resolve() {
  # A fresh folder: what an earlier run fetched must not hide what this one would.
  rm -rf "$root/Tests/OutsideClient/.build" "$root/Tests/OutsideClient/Package.resolved"
  swift package "${client[@]}" show-dependencies
  if [ -e "$root/Tests/OutsideClient/Package.resolved" ]; then
    cat "$root/Tests/OutsideClient/Package.resolved"
    fail "a client of the library has to resolve other packages"
  fi
}

build_and_run() {
  swift build "${client[@]}" "${strict[@]}"
  programs=$(swift build "${client[@]}" --show-bin-path)
  "$programs/OutsideClient"
}

# holds TEXT OPERATOR BOUND OUTPUT: compares the last number behind a text that a program has printed.
holds() {
  local found
  found=$(sed -nE "s/.*$1 ([0-9.e-]+).*/\1/p" <<<"$4" | tail -n 1)
  [ -n "$found" ] || fail "expected a number behind '$1' in: $4"
  awk -v x="$found" -v bound="$3" "BEGIN { exit !(x + 0 $2 bound + 0) }" || fail "expected $1 $2 $3, found $found"
}

learn_digits() {
  local data="$root/Sources/MomentumCLI/Resources/digits.bin" output
  mkdir "$scratch/at-once" "$scratch/in-two"
  output=$("$programs/Digits" "$data" "$scratch/at-once" 12)
  printf '%s\n' "$output"
  holds accuracy '>=' 0.9 "$output"
  "$programs/Digits" "$data" "$scratch/in-two" 5 >/dev/null
  "$programs/Digits" "$data" "$scratch/in-two" 12 >/dev/null
  diff -r "$scratch/at-once" "$scratch/in-two" || fail "the run that was resumed has other bytes"
}

deconvolve() {
  local output
  output=$("$programs/Deconvolution")
  printf '%s\n' "$output"
  holds 'relative residual' '<' 1e-5 "$output"
  holds 'steps,' '>=' 1 "$output"
}

kill_and_resume() {
  local pid status kills=0 saves=100
  mkdir "$scratch/left-alone" "$scratch/killed"
  "$programs/MappedParameters" "$scratch/left-alone" "$saves" | tail -n 1
  mkfifo "$scratch/output"
  for _ in 1 2 3 4 5 6; do
    "$programs/MappedParameters" "$scratch/killed" "$saves" >"$scratch/output" &
    pid=$!
    exec 3<"$scratch/output"
    # Killed a moment after none, one or a few of its saves.
    for ((line = RANDOM % 5; line > 0; line--)); do read -r -u 3 || true; done
    sleep "0.0$((RANDOM % 3))$((RANDOM % 10))"
    kill -KILL "$pid" 2>/dev/null || true
    status=0
    wait "$pid" 2>/dev/null || status=$?
    exec 3<&-
    [ "$status" -eq 0 ] || [ "$status" -eq 137 ] || fail "the client ended with status $status"
    [ "$status" -eq 0 ] || kills=$((kills + 1))
  done
  [ "$kills" -ge 3 ] || fail "only $kills of 6 processes were killed before their end"
  "$programs/MappedParameters" "$scratch/killed" "$saves" | tail -n 1
  diff -r "$scratch/left-alone" "$scratch/killed" || fail "the run that was killed has other bytes"
  echo "killed $kills times, the same bytes"
}

loaded_libraries() {
  local binary="$programs/OutsideClient" list
  if [ "$(uname)" = Darwin ]; then list=$(otool -L "$binary"); else list=$(ldd "$binary"); fi
  printf '%s\n' "$list"
  case "$list" in *not\ found*) fail "a library is missing" ;; esac
  case "$list" in *openblas*) ;; *) fail "the client does not load OpenBLAS" ;; esac
  # OpenBLAS may have been built to need the runtime of Fortran itself; LAPACK and a second BLAS would come with LAPACKE.
  case "$list" in *lapack* | *libblas* | *tmglib*) fail "the client loads LAPACK" ;; esac
  case "$list" in *Foundation*) fail "the client loads Foundation" ;; esac
  case "$list" in *libmpi*) fail "the client loads an MPI" ;; esac
}

refused() {
  # The same sources with lines that must not compile, and for their own reasons only.
  local log="$root/.build-logs/client-refused.log" error
  local expected=(
    "cannot find 'cblas_sdot' in scope"
    "type 'Optimizer<Float>' does not conform to protocol 'Copyable'"
    "requires that 'ParameterVector<Float>' conform to 'Copyable'"
    "tuple with noncopyable element type 'ParameterVector<Float>' is not supported"
    "argument type 'ParameterVector<Float>' does not conform to expected type 'Copyable'"
  )
  mkdir -p "$(dirname "$log")"
  if swift build "${client[@]}" --product OutsideClient -Xswiftc -DREFUSED >"$log" 2>&1; then
    fail "the client compiles what it should not"
  fi
  for error in "${expected[@]}"; do
    grep -a "Refused.swift.*error: .*$error" "$log" || {
      cat "$log"
      fail "the client with what must not compile has no error \"$error\""
    }
  done
  if grep -a 'error:' "$log" | grep -vE "$(IFS='|'; printf '%s' "${expected[*]}")|emit-module command failed|fatalError"; then
    fail "the client with what must not compile has another error as well"
  fi
}

scratch=$(mktemp -d)
# The trap of common.bash names the step that failed.
trap 'rm -rf "$scratch"; '"$(trap -p EXIT | sed "s/^trap -- '//; s/' EXIT$//")" EXIT

step "The client resolves no other package" resolve
step "The client builds and gets the right numbers" build_and_run
step "A network learns digits, in one run and in two" learn_digits
step "A signal of a million samples is found" deconvolve
step "Mapped parameters outlive the death of their process" kill_and_resume
step "The client loads OpenBLAS, and neither LAPACK, MPI nor Foundation" loaded_libraries
step "The client sees no C symbols, and copies nothing large" refused
