#!/usr/bin/env bash
# Compares the conversions of half precision with their definition over all patterns: every variant that this processor
# runs widens 2^16 and narrows 2^32 numbers. Takes about two minutes for each variant.
#
# Usage: Scripts/test-half.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

case "${1-}" in
  "") ;;
  -h | --help) help; exit ;;
  *) fail "unknown argument '$1'; see --help" ;;
esac

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
kernels="$root/Sources/CMomentumKernels"
clang -O2 -Wall -Wextra -Werror -I "$kernels/include" "$root/Tests/Kernels/half_sweep.c" "$kernels/half_loops.c" -lm \
  -o "$folder/half_sweep"
step "All patterns of half precision" "$folder/half_sweep"
