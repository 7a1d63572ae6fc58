#!/usr/bin/env bash
# Measures the memory of `momentum step` on a checkpoint of several files in BF16 with masters in F32: the most memory that
# belongs to the process alone (RssAnon, without pages of files that the system can drop), compared with the size of the checkpoint.
#
# Usage: Scripts/check-step-memory.sh [MEGABYTES [FILES [FOLDER]]]
#   MEGABYTES   the size of the checkpoint (default: 4096)
#   FILES       the number of its files (default: 32)
#   FOLDER      where the files lie (default: the system's folder for temporary files); it needs eleven times the size
#
# Takes the command from .build/release, or from the variable MOMENTUM.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

case "${1-}" in -h | --help) help; exit ;; esac
megabytes=${1:-4096} files=${2:-32}
[[ $# -le 3 && "$megabytes" =~ ^[1-9][0-9]*$ && "$files" =~ ^[1-9][0-9]*$ ]] || fail "unknown argument in '$*'; see --help"
folder=$(mktemp -d "${3:-${TMPDIR:-/tmp}}/momentum-memory.XXXXXX")
trap 'rm -rf "$folder"' EXIT
momentum=${MOMENTUM:-$root/.build/release/momentum}

bytes=$((megabytes * 1048576 / files / 8 * 8))
# Files of one tensor whose elements all have the bytes of a character: 0x3f3f of BF16 is 0.746.
write() {  # folder, type, bytes
  mkdir "$folder/$1"
  local map=""
  for ((i = 1; i <= files; i++)); do
    local name="m-$i.safetensors"
    local header="{\"t$i\":{\"dtype\":\"$2\",\"shape\":[$(($3 / 2))],\"data_offsets\":[0,$3]}}"
    printf '\200\0\0\0\0\0\0\0%-128s' "$header" > "$folder/$1/$name"
    head -c "$3" /dev/zero | tr '\0' '\77' >> "$folder/$1/$name"
    map="$map${map:+, }\"t$i\": \"$name\""
  done
  printf '{"metadata": {"total_size": %d}, "weight_map": {%s}}' $(($3 * files)) "$map" \
    > "$folder/$1/model.safetensors.index.json"
}
write parameters BF16 "$bytes"
write gradients BF16 "$bytes"

step() {  # the options of the masters and of the state
  local peak=0 anonymous
  "$momentum" step --parameters "$folder/parameters" --gradients "$folder/gradients" --learning-rate 0.1 --momentum 0.9 \
    --clip-global-norm 1 --output-parameters "$folder/parameters" --output-master "$folder/masters" \
    --output-state "$folder/state" "$@" &
  local process=$!
  while anonymous=$(sed -n 's/^RssAnon:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$process/status" 2> /dev/null) && [ -n "$anonymous" ]; do
    ((anonymous > peak)) && peak=$anonymous
    sleep 0.02
  done
  wait "$process"
  printf 'peak %d MB of %d MB\n' $((peak / 1024)) "$megabytes"
  if ((peak / 1024 * 5 >= megabytes)); then
    echo "expected less than a fifth" >&2
    exit 1
  fi
}
echo "the first step, which makes the masters:"
step
echo "a step with masters and state:"
step --master "$folder/masters" --state "$folder/state"
