#!/usr/bin/env bash
# Builds the documentation of the library; any warning, such as a link to a symbol that does not exist, is an error.
#
# Usage: Scripts/docs.sh [--build-folder FOLDER] [OUTPUT]
#   --build-folder   takes the release build of the tests (Scripts/test.sh leaves it in .build-release) instead of a debug build
#   OUTPUT           the folder of the archives, one of each module with a catalogue (default: .build-docs)
#
# Also fails if a public symbol has no doc comment; those of MomentumMPI count where there is an MPI. Uses nothing but the
# toolchain: the symbol graph comes from the module as it was built, docc turns it and the catalogue into an archive.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

folder= output="$root/.build-docs"
while [ $# -gt 0 ]; do
  case "$1" in
    --build-folder) folder=${2:?"--build-folder needs a folder"}; shift ;;
    -h | --help) help; exit ;;
    -*) fail "unknown argument '$1'; see --help" ;;
    *) output=$1 ;;
  esac
  shift
done

tools=$(dirname "$(readlink -f "$(command -v swift)")")
for tool in docc swift-symbolgraph-extract; do
  [ -x "$tools/$tool" ] || fail "the Swift toolchain has no $tool at $tools"
done
docc="$tools/docc"

work="$root/.build-docs"
modules=(Momentum MomentumLAPACK MomentumFiles)
build=(swift build --package-path "$root" "${strict[@]}")
read -ra flags < <(pkg-config --cflags-only-I openblas lapacke)
if find_mpi; then
  modules+=(MomentumMPI)
  [ -n "$folder" ] || build+=("${mpi_traits[@]}" --scratch-path "$mpi_folder")
  read -ra flags < <(pkg-config --cflags-only-I openblas lapacke "${MPI_PKG_CONFIG:-mpi-c}")
fi
if [ -n "$folder" ]; then
  find_tests "$folder"
  build+=("${tests_build[@]}")
fi
for module in CMomentumBLAS CMomentumLAPACKE CMomentumKernels/include CMomentumLoadedBLAS/include CMomentumFiles CMomentumMPI; do
  flags+=(-Xcc "-fmodule-map-file=$root/Sources/$module/module.modulemap")
done
[ "$(uname)" != Darwin ] || flags+=(-sdk "$(xcrun --show-sdk-path)")
# extract MODULE: writes the symbol graph of a module, as it was built, into a folder of its own.
extract() {
  "${build[@]}" --target "$1"
  # Not by "swift package dump-symbol-graph": that builds the tests as well, and fails on modules made by SwiftPM itself.
  rm -rf "$work/$1" && mkdir -p "$work/$1"
  "$tools/swift-symbolgraph-extract" -module-name "$1" "${flags[@]}" \
    -I "$("${build[@]}" --show-bin-path)/Modules" \
    -target "$(swiftc -print-target-info | sed -n 's/^ *"unversionedTriple": "\(.*\)",*$/\1/p')" \
    -minimum-access-level public -skip-synthesized-members -pretty-print -output-dir "$work/$1"
}
# undocumented MODULE: every symbol must have a doc comment, its own or one inherited from the requirement that it meets.
# What starts with an underscore is no API.
undocumented() {
  local list
  list=$(awk '
    function report() { if (location && !documented && name !~ /(^|\.)_/) print location ": " name }
    /^    {$/ || /^  "relationships"/ { report(); name = location = ""; documented = inPath = 0; symbols++ }
    /^      "docComment": {/ { documented = 1 }
    /^      "pathComponents": \[/ { inPath = 1; next }
    inPath && /\]/ { inPath = 0 }
    inPath { gsub(/[ ",]/, ""); name = name (name == "" ? "" : ".") $0 }
    /^        "uri":/ { gsub(/.*file:\/\/|",*$/, ""); location = $0 }
    END { if (symbols < 5) print "no symbols found: the form of the symbol graph has changed" }
  ' "$work/$1/$1.symbols.json" | sed "s|$root/||" | sort)
  [ -z "$list" ] || fail "public symbols without a doc comment:
$list"
}
# convert MODULE: makes the archive of a module and its catalogue.
convert() {
  local archive="$output/$1.doccarchive"
  rm -rf "$archive" && mkdir -p "$output"
  "$docc" convert "$root/Sources/$1/Documentation.docc" --additional-symbol-graph-dir "$work/$1" \
    --fallback-display-name "$1" --fallback-bundle-identifier "$(tr '[:upper:]' '[:lower:]' <<<"$1")" \
    --fallback-default-module-kind Library --warnings-as-errors --output-path "$archive"
}

for module in "${modules[@]}"; do
  step "Extracting the symbol graph of $module" extract "$module"
  step "Looking for symbols of $module without a doc comment" undocumented "$module"
done
for module in Momentum MomentumFiles; do step "Converting the documentation of $module" convert "$module"; done
echo "The archives are in $output"
