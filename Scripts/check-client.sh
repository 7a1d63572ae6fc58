#!/usr/bin/env bash
# Builds and runs a package that uses the library from outside, and looks at what it gets besides.
#
# Usage: Scripts/check-client.sh
#
# Checks, with the client in Tests/OutsideClient:
#   1. it resolves no other package: swift-argument-parser belongs to the command, not to the library;
#   2. it builds, takes a step and gets the right numbers;
#   3. it loads OpenBLAS, and neither LAPACK, MPI nor Foundation;
#   4. no C symbol of BLAS is visible to its sources.
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
  "$(swift build "${client[@]}" --show-bin-path)/OutsideClient"
}

loaded_libraries() {
  local binary list
  binary="$(swift build "${client[@]}" --show-bin-path)/OutsideClient"
  if [ "$(uname)" = Darwin ]; then list=$(otool -L "$binary"); else list=$(ldd "$binary"); fi
  printf '%s\n' "$list"
  case "$list" in *not\ found*) fail "a library is missing" ;; esac
  case "$list" in *openblas*) ;; *) fail "the client does not load OpenBLAS" ;; esac
  # OpenBLAS may have been built to need the runtime of Fortran itself; LAPACK and a second BLAS would come with LAPACKE.
  case "$list" in *lapack* | *libblas* | *tmglib*) fail "the client loads LAPACK" ;; esac
  case "$list" in *Foundation*) fail "the client loads Foundation" ;; esac
  case "$list" in *libmpi*) fail "the client loads an MPI" ;; esac
}

no_c_symbols() {
  # The same sources and one line more, which names a routine of CBLAS. It must not compile, and for that reason only.
  local log="$root/.build-logs/client-c-symbol.log"
  mkdir -p "$(dirname "$log")"
  if swift build "${client[@]}" -Xswiftc -DNAME_A_C_SYMBOL >"$log" 2>&1; then
    fail "the client sees cblas_sdot through 'import Momentum'"
  fi
  grep "error: cannot find 'cblas_sdot' in scope" "$log" || {
    cat "$log"
    fail "the client with a C symbol failed to build for another reason"
  }
  if grep 'error:' "$log" | grep -vE "cannot find 'cblas_sdot' in scope|emit-module command failed|fatalError"; then
    fail "the client with a C symbol failed to build for another reason as well"
  fi
}

step "The client resolves no other package" resolve
step "The client builds and gets the right numbers" build_and_run
step "The client loads OpenBLAS, and neither LAPACK, MPI nor Foundation" loaded_libraries
step "The client sees no C symbols" no_c_symbols
