#!/usr/bin/env bash
# Kills what saves its state, at random moments, and looks at what is left.
#
# Usage: Scripts/soak.sh MINUTES
#
# A client of the library steps and saves after each step; `momentum step` replaces its own input. Both are ended by random
# signals, SIGKILL among them, and go on. After each kill every file has to be the old one or the new one, whole; in the end
# the client has to hold the same bytes as one that is then left alone, and no temporary name may be left; memory and open
# descriptors must not grow. Prints how many kills there were, and fails at the first fault. Builds into .build-fuzz, in
# release mode.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

case "${1-}" in -h | --help) help; exit ;; esac
minutes=${1-}
[[ $# -eq 1 && "$minutes" =~ ^[0-9]+(\.[0-9]+)?$ && "$minutes" =~ [1-9] ]] ||
  fail "'$*' is not a positive number of minutes; see --help"

how=(--package-path "$root" -c release --scratch-path "$root/.build-fuzz" "${strict[@]}")
for product in MomentumSoak momentum; do swift build "${how[@]}" --product "$product"; done
products=$(swift build "${how[@]}" --show-bin-path)
"$products/MomentumSoak" "$minutes" "$products/momentum"
