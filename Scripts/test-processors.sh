#!/usr/bin/env bash
# Runs the command and the C parts of the library on processors that this machine does not have, by emulation.
#
# Usage: Scripts/test-processors.sh [--starts N] [--build-folder FOLDER]
#   --starts N       how often to start in each way (default: 20)
#   --build-folder   takes the release build of the tests (Scripts/test.sh leaves it in .build-release) instead of the
#                    debug build
#
# Needs an x86-64 Linux; installs what Scripts/setup.sh --emulators names. Checks:
#   1. a program that uses the library gets the best kernels for this processor, plainly and through the loader;
#   2. an Intel processor of a model that OpenBLAS 0.3.21 does not know gets the kernels for AVX2 and not the oldest ones: plainly,
#      through the loader, with a host that loads the library; a host with threads is refused, and computes right;
#   3. a processor without AVX runs the command, and all routines of BLAS are right;
#   4. the C targets compile for aarch64 without a warning, and the element loops, measures and factors
#      of tiles give the same bits there as here;
#   5. the fused loops and the products of tiles have the bits of their operations one after another on aarch64.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

starts=20
build=
while [ $# -gt 0 ]; do
  case "$1" in
    --starts) starts=${2-}; shift ;;
    --build-folder) build=${2-}; shift ;;
    -h | --help) help; exit ;;
    *) fail "unknown argument '$1'; see --help" ;;
  esac
  shift
done
[[ "$starts" =~ ^[1-9][0-9]*$ ]] || fail "--starts expects a positive number, not '$starts'"
[ "$(uname -sm)" = "Linux x86_64" ] || fail "needs Linux on x86-64"
"$root/Scripts/setup.sh" --emulators

work="$root/.build-processors"
mkdir -p "$work"
options=(--package-path "$root" "${strict[@]}")
if [ -n "$build" ]; then
  find_tests "$build"
  options+=("${tests_build[@]}")
fi
unset OPENBLAS_CORETYPE

new_intel=(qemu-x86_64 -cpu "max,vendor=GenuineIntel,family=6,model=207")
loader=/lib64/ld-linux-x86-64.so.2

expect() { # expect TEXT COMMAND...: a command whose output has a line with this text.
  local text=$1 output
  shift
  output=$("$@" 2>&1) || { echo "$output"; fail "failed: $*"; }
  grep -qF -- "$text" <<<"$output" || { echo "$output"; fail "expected '$text' of: $*"; }
}

build_programs() {
  local programs
  swift build "${options[@]}" --product momentum
  swift build "${options[@]}" --product MomentumTestHost
  programs=$(swift build "${options[@]}" --show-bin-path)
  momentum="$programs/momentum"
  client="$programs/MomentumTestHost"
}

# start TEXT COMMAND...: starts a client of the library often, with the same end each time.
start() {
  local text=$1 i line
  shift
  for ((i = 0; i < starts; i++)); do
    line=$("$@" blas) || fail "failed: $* blas"
    case "$line" in
      *"$text"*", 0 more after a step, step right") ;;
      *) fail "expected '$text' and a step that is right, found: $line" ;;
    esac
  done
  echo "$starts of $starts: $text: $*"
}

this_processor() {
  start "none better, variable unset" "$client"
  start "none better, variable unset" "$loader" "$client"
}

newer_than_openblas() {
  # What OpenBLAS would take: without this, nothing of what follows shows anything.
  cat >"$work/core.c" <<'END'
#include <stdio.h>
char *openblas_get_corename(void);
int main(void) { puts(openblas_get_corename()); }
END
  gcc -o "$work/core" "$work/core.c" -lopenblas
  local core
  core=$("${new_intel[@]}" "$work/core")
  echo "OpenBLAS alone takes the kernels for $core"
  [ "$core" = Prescott ] || { echo "This OpenBLAS knows better: nothing to see here."; return 0; }
  local chosen="core type     Haswell: chosen by momentum instead of Prescott"
  expect "$chosen" "${new_intel[@]}" "$momentum" info
  expect "$chosen" "${new_intel[@]}" "$loader" "$momentum" info
  expect "core type     Prescott: chosen by OPENBLAS_CORETYPE" \
    env OPENBLAS_CORETYPE=Prescott "${new_intel[@]}" "$momentum" info
  chosen="kernels Haswell, chosen by momentum instead of Prescott, none better, variable unset"
  start "$chosen" "${new_intel[@]}" "$client"
  start "$chosen" "${new_intel[@]}" "$loader" "$client"

  gcc -shared -fPIC -O2 -I "$root/Sources/CMomentumLoadedBLAS/include" -o "$work/plugin.so" \
    "$root"/Sources/CMomentumLoadedBLAS/*.c -lopenblas
  gcc -O2 -pthread -o "$work/plugin_host" "$root/Tests/Processors/plugin_host.c"
  local i threads right="dot 28500, variable unset"
  for ((i = 0; i < starts; i++)); do
    # OpenBLAS's own threads do not count.
    for threads in 1 4; do
      export OPENBLAS_NUM_THREADS=$threads
      expect "choice 2, kernels Haswell, $right" "${new_intel[@]}" "$work/plugin_host" "$work/plugin.so" 0
      expect "choice 3, kernels Prescott, $right" "${new_intel[@]}" "$work/plugin_host" "$work/plugin.so" 1
    done
  done
  unset OPENBLAS_NUM_THREADS
  echo "$((2 * starts)) of $((2 * starts)) starts of a host without threads chose Haswell, and as many with a thread refused"
}

without_avx() { expect "passed in" qemu-x86_64 -cpu Nehalem "$momentum" info; }

aarch64() {
  # GCC does not know Clang's pragmas.
  local target source flags=(-O2 -Wall -Wextra -Werror -Wno-unknown-pragmas)
  for target in CMomentumKernels CMomentumLoadedBLAS CMomentumLimit CMomentumProcess; do
    for source in "$root/Sources/$target"/*.c; do
      aarch64-linux-gnu-gcc "${flags[@]}" -fPIC -I "$root/Sources/$target/include" -c "$source" \
        -o "$work/$target-$(basename "$source" .c).o"
    done
  done
  local kernels="$root/Sources/CMomentumKernels"
  local harness=("$root/Tests/Processors/element_loops_bits.c" "$kernels"/{element_loops,measure_loops,tile_factors}.c
    -I "$kernels/include" -lm)
  # GCC does not heed the standard's pragma against contraction either, which the package's compiler does.
  flags+=(-ffp-contract=off)
  gcc "${flags[@]}" -o "$work/bits-here" "${harness[@]}"
  aarch64-linux-gnu-gcc "${flags[@]}" -static -o "$work/bits-aarch64" "${harness[@]}"
  local here there old
  here=$("$work/bits-here")
  old=$(qemu-x86_64 -cpu Nehalem "$work/bits-here")
  there=$(qemu-aarch64 "$work/bits-aarch64")
  echo "bits of the element loops, measures and tile factors: here $here, without AVX $old, aarch64 $there"
  [ "$here" = "$there" ] && [ "$here" = "$old" ] || fail "the loops give other bits on other processors"
}

# Compares the fused loops and the products of tiles for NEON with their operations one by one; those of this processor are compared
# by the tests. Clang compiles them, as it does in the package.
neon() {
  local kernels="$root/Sources/CMomentumKernels" source harness output objects=() compile
  compile=("$(dirname "$(readlink -f "$(command -v swift)")")/clang" --target=aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include
    -O2 -Wall -Wextra -Werror -I "$kernels" -I "$kernels/include")
  for source in "$kernels"/{fused_*,half_stores,products_*,tile_*}.c; do
    objects+=("$work/neon-$(basename "$source" .c).o")
    "${compile[@]}" -c "$source" -o "${objects[-1]}"
  done
  for harness in fused_loops_bits fused_half_bits tile_products_bits; do
    "${compile[@]}" -ffp-contract=off -c "$root/Tests/Processors/$harness.c" -o "$work/neon-$harness.o"
    aarch64-linux-gnu-gcc -static -o "$work/neon-$harness" "$work/neon-$harness.o" "${objects[@]}" -lm
    output=$(qemu-aarch64 "$work/neon-$harness") || { echo "$output"; fail "loops give other bits than their operations"; }
    echo "$output"
    grep -q "^NEON: " <<<"$output" || fail "$harness has compared no loops"
  done
}

step "Building" build_programs
step "This processor" this_processor
step "A processor that is newer than OpenBLAS" newer_than_openblas
step "A processor without AVX" without_avx
step "aarch64" aarch64
step "The loops of NEON" neon
