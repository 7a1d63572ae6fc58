#!/usr/bin/env bash
# Measures `momentum step` on a checkpoint in BF16 with masters and velocities in F32: the most memory of its process, and its
# time beside that of cp.
#
# Usage: Scripts/check-step-memory.sh [--megabytes N] [--files N] [--tensors N] [--rounds N] [--folder PATH]
#   --megabytes   the size of the parameters; masters and velocities have twice that each (default: 256)
#   --files       the number of files of parameters; 1 is a single file without an index (default: 4)
#   --tensors     the number of tensors of each file (default: 16)
#   --rounds      how often each time is measured, in turns; the least of each counts (default: 5)
#   --folder      where the files lie (default: the system's folder for temporary files); it needs 12 times the size free
#
# cp copies what the step writes: parameters, masters and state, five times the size, of which it reads as much. The step reads
# the gradients as well, twice, and returns when all is on the disk; cp returns earlier, so that there is also its time with a sync.
# The memory is printed in two ways: that of the process alone (RssAnon), and with the pages of files that it has mapped, which
# the system can drop (VmHWM). The first does not grow with the checkpoint; fails if it is not below a fifth of the parameters'
# size, from 1024 MB on.
#
# Takes the command from .build/release, or from the variable MOMENTUM.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

megabytes=256 files=4 tensors=16 rounds=5 parent=${TMPDIR:-/tmp}
while (($# > 0)); do
  case "$1" in
    -h | --help) help; exit ;;
    --megabytes | --files | --tensors | --rounds)
      [[ "${2-}" =~ ^[1-9][0-9]*$ ]] || fail "$1 is '${2-}'; expected a whole number from 1 on"
      declare "${1#--}=$2" ;;
    --folder) parent=${2:?} ;;
    *) fail "unknown argument '$1'; see --help" ;;
  esac
  shift 2
done
free=$(df -Pm "$parent" | awk 'NR == 2 { print $4 }')
((free >= 12 * megabytes)) || fail "$parent has $free MB free; expected $((12 * megabytes)), 12 times the size"
folder=$(mktemp -d "$parent/momentum-memory.XXXXXX")
trap 'rm -rf "$folder"' EXIT
momentum=${MOMENTUM:-$root/.build/release/momentum}

bytes=$((megabytes * 1048576 / files / tensors / 8 * 8))
# Files of BF16 tensors whose bytes are all those of a character: 0x3f3f is 0.746.
write() {  # folder
  mkdir "$folder/$1"
  local map="" i t
  for ((i = 1; i <= files; i++)); do
    local file="m-$i.safetensors" header=""
    for ((t = 0; t < tensors; t++)); do
      local name
      name=$(printf 't%d.%04d' "$i" "$t")
      header+="${header:+,}\"$name\":{\"dtype\":\"BF16\",\"shape\":[$((bytes / 2))],"
      header+="\"data_offsets\":[$((t * bytes)),$(((t + 1) * bytes))]}"
      map+="${map:+, }\"$name\": \"$file\""
    done
    header="{$header}"
    local length=$(((${#header} + 7) / 8 * 8))
    {
      # The length, its lowest byte first.
      printf "$(printf '\\x%02x' $((length & 255)) $((length >> 8 & 255)) $((length >> 16 & 255)) 0 0 0 0 0)"
      printf "%-${length}s" "$header"
      head -c $((bytes * tensors)) /dev/zero | tr '\0' '\77'
    } > "$folder/$1/$file"
  done
  ((files == 1)) || printf '{"metadata": {"total_size": %d}, "weight_map": {%s}}' $((bytes * tensors * files)) "$map" \
    > "$folder/$1/model.safetensors.index.json"
}
write parameters
write gradients
# A single file has single files beside it.
input=("$folder/parameters" "$folder/gradients")
((files > 1)) || input=("$folder/parameters/m-1.safetensors" "$folder/gradients/m-1.safetensors")

anonymous=0 resident=0
take_step() {  # the name of the outputs, the options of the masters and of the state
  local out=$folder/$1
  shift
  mkdir "$out"
  "$momentum" step --parameters "${input[0]}" --gradients "${input[1]}" --learning-rate 0.1 --momentum 0.9 \
    --clip-global-norm 1 --output-parameters "$out/parameters" --output-master "$out/masters" --output-state "$out/state" \
    "$@" > /dev/null &
  local process=$! status kilobytes
  while status=$(cat "/proc/$process/status" 2> /dev/null) && [[ "$status" =~ RssAnon:[[:space:]]*([0-9]+) ]]; do
    kilobytes=${BASH_REMATCH[1]}
    ((kilobytes > anonymous)) && anonymous=$kilobytes
    [[ "$status" =~ VmHWM:[[:space:]]*([0-9]+) ]] && ((BASH_REMATCH[1] > resident)) && resident=${BASH_REMATCH[1]}
    sleep 0.02
  done
  wait "$process"
}

best() {  # the name of a time, the command
  local name=$1 begin=$EPOCHREALTIME
  shift
  "$@"
  local microseconds=$((${EPOCHREALTIME/[.,]/} - ${begin/[.,]/}))
  local least_before=${least[$name]-$microseconds}
  times[$name]="${times[$name]-}${times[$name]+ }$((microseconds / 1000))"
  least[$name]=$((least_before < microseconds ? least_before : microseconds))
}
ratio() { printf '%03d' $(($1 * 100 / $2)) | sed 's/..$/.&/'; }
copy() { cp -r "$folder/old" "$folder/copy"; }
copy_and_sync() { copy && sync -f "$folder/copy"; }
clean() { rm -rf "$folder/new" "$folder/copy"; sync -f "$folder"; }

declare -A times=() least=()
take_step old  # makes the masters and the state
sync -f "$folder"
for ((round = 0; round < rounds; round++)); do
  best step take_step new --master "$folder/old/masters" --state "$folder/old/state"
  clean
  best cp copy
  clean
  best sync copy_and_sync
  clean
  step=${times[step]##* } cp=${times[cp]##* } sync=${times[sync]##* }
  printf 'round %d: step %d ms, cp %d ms, cp and sync %d ms; step / cp %s, step / cp and sync %s\n' $((round + 1)) \
    "$step" "$cp" "$sync" "$(ratio "$step" "$cp")" "$(ratio "$step" "$sync")"
done
printf 'memory: %d MB, with pages of files %d MB, of %d MB of parameters\n' \
  $((anonymous / 1024)) $((resident / 1024)) "$megabytes"
for name in step cp sync; do
  printf '%-12s least %6d ms, step / it %s\n' "${name/sync/cp and sync}" $((least[$name] / 1000)) \
    "$(ratio "${least[step]}" "${least[$name]}")"
done
if ((megabytes >= 1024 && anonymous / 1024 * 5 >= megabytes)); then
  fail "the memory is $((anonymous / 1024)) MB; expected less than a fifth of $megabytes MB"
fi
