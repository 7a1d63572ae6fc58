#!/usr/bin/env bash
# Builds the documentation of the library; any warning, such as a link to a symbol that does not exist, is an error.
#
# Usage: Scripts/docs.sh [OUTPUT]
#   OUTPUT   where the archive goes (default: .build-docs/Momentum.doccarchive)
#
# Uses nothing but the toolchain: SwiftPM writes the symbol graph, docc turns it and the catalogue into an archive.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

case "${1-}" in
  -h | --help) help; exit ;;
esac
output=${1:-$root/.build-docs/Momentum.doccarchive}

docc=$(command -v docc || true)
[ -n "$docc" ] || docc="$(dirname "$(readlink -f "$(command -v swift)")")/docc"
[ -x "$docc" ] || fail "the Swift toolchain has no docc: neither in PATH nor at $docc"

work="$root/.build-docs"
extract() {
  # SwiftPM names the folder in its last line; it holds the graphs of every module, of which one is documented.
  mkdir -p "$work"
  swift package --package-path "$root" "${strict[@]}" dump-symbol-graph --skip-synthesized-members 2>&1 \
    | tee "$work/symbolgraph.log"
  local folder
  folder=$(sed -n 's/^Files written to //p' "$work/symbolgraph.log")
  [ -n "$folder" ] || fail "swift package dump-symbol-graph named no folder"
  rm -rf "$work/symbolgraph" && mkdir "$work/symbolgraph"
  cp "$folder"/Momentum.symbols.json "$folder"/Momentum@*.symbols.json "$work/symbolgraph"
}
convert() {
  rm -rf "$output" && mkdir -p "$(dirname "$output")"
  local catalogue="$root/Sources/Momentum/Documentation.docc"
  [ -d "$catalogue" ] || catalogue=
  "$docc" convert ${catalogue:+"$catalogue"} --additional-symbol-graph-dir "$work/symbolgraph" \
    --fallback-display-name Momentum --fallback-bundle-identifier momentum --fallback-default-module-kind Library \
    --warnings-as-errors --output-path "$output"
}

step "Extracting the symbol graph" extract
step "Converting the documentation" convert
echo "The archive is $output"
