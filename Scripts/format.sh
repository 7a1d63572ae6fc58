#!/usr/bin/env bash
# Formats all Swift sources in place.
#
# Usage: Scripts/format.sh [--check]
#   --check   change nothing; fail if a file is not formatted or breaks a rule
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

command=(format --in-place)
case "${1-}" in
  "") ;;
  --check) command=(lint --strict) ;;
  -h | --help) help; exit ;;
  *) fail "unknown argument '$1'; see --help" ;;
esac

cd "$root"
# Everything that is ours: the tracked and the new files, but nothing that git ignores (build folders).
files=()
while IFS= read -r -d '' file; do
  if [ -e "$file" ]; then files+=("$file"); fi
done < <(git ls-files -z --cached --others --exclude-standard -- '*.swift')
[ "${#files[@]}" -gt 0 ] || fail "git lists no Swift file in $root"
say "swift format ${command[*]}: ${#files[@]} files"
swift format "${command[@]}" --parallel "${files[@]}"
