#!/usr/bin/env bash
# Tests what takes gigabytes and minutes: norms of up to 10^9 elements, and vectors of more than 2^31.
#
# Usage: Scripts/test-large.sh [--floats N] [--doubles N]
#   --floats N    the longest vector of Floats in the sweep (default: 1000000000, 4 GB)
#   --doubles N   the longest vector of Doubles in the sweep (default: 100000000, 0.8 GB; ten times as many take ten times
#                 the minutes, since the portable norm of Doubles adds integers of 106 bits)
#
# Runs 'momentum validate --sweep' for each scalar, then 'momentum validate --large', which writes up to 17.2 GB. What
# the available memory has no room for is left out and named in the output. The output is kept in .build-logs/large/.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

floats=1000000000
doubles=100000000
while [ $# -gt 0 ]; do
  case "$1" in
    --floats | --doubles)
      [[ ${2-} =~ ^[1-9][0-9]{0,11}$ ]] || fail "$1 expects a positive number, not '${2-}'"
      if [ "$1" = --floats ]; then floats=$2; else doubles=$2; fi
      shift
      ;;
    -h | --help) help; exit ;;
    *) fail "unknown argument '$1'; see --help" ;;
  esac
  shift
done

logs="$root/.build-logs/large"
mkdir -p "$logs"

validate() {
  local log="$logs/$1.log"
  shift
  "$momentum" validate "$@" | tee "$log"
}

"$root/Scripts/setup.sh"
if [ -r /proc/meminfo ]; then say "Memory: $(grep -E '^Mem(Total|Available)' /proc/meminfo | tr -s ' \n' ' ')"; fi
step "Building the command (release)" swift build --package-path "$root" "${strict[@]}" -c release --product momentum
momentum="$(swift build --package-path "$root" "${strict[@]}" -c release --show-bin-path)/momentum"

step "Norms of up to $floats Floats" validate sweep-float --sweep --scalar float --largest "$floats"
step "Norms of up to $doubles Doubles" validate sweep-double --sweep --scalar double --largest "$doubles"
step "Vectors of more than 2^31 elements" validate large --large

say "Summary; the logs are in $logs"
cd "$logs"
grep -E '^(left out|[0-9]+ (norms|checks) )' sweep-float.log sweep-double.log large.log
