#!/usr/bin/env bash
# Shows whether the library is the house with floors that the architecture article describes.
#
# Usage: Scripts/rooms.sh [arguments of 'swift test']
#
# Prints how many references go from a room to a higher one, and the largest knot: the files that refer to each other in a
# circle. Fails, and says file, line and name, if there is such a reference; also if the knot has more than four files, if the
# folders are not those of the list "The rooms", or if the list "The way of a step" is not true. The order of the rooms stands
# in that list of the architecture article alone (Sources/Momentum/Documentation.docc/Architecture.md); LayeringTests compares.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

case "${1-}" in
  -h | --help) help; exit ;;
esac

logs="$root/.build-logs"
mkdir -p "$logs"
log="$logs/rooms.log"
say "Reading the sources; log: $log"
status=0
swift test --package-path "$root" "${strict[@]}" --disable-swift-testing --filter LayeringTests "$@" >"$log" 2>&1 || status=$?
grep -E 'Executed [1-9][0-9]* tests?, with' "$log" >/dev/null || fail "no test was run; log: $log"
sed -n 's/^rooms: //p' "$log"
if [ "$status" -ne 0 ]; then
  say "Rules that are broken"
  # Without the place in the test, which is the same for all of them.
  sed -n -E 's/^.*: error: [^ ]+ : (failed - )?//p' "$log"
  exit "$status"
fi
