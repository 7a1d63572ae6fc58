# Sourced by test-mpi.sh: the command on ranks says and writes what the command of one process does.
say "The command: the output and the files of momentum"
files="$scratch/files"
mkdir "$files" "$scratch/one" "$scratch/many"
on 1 files "$files"

# both RANKS ARGUMENTS...: runs both commands, each in a folder of its own. OUT in arguments stands for a folder that holds
# copies of what \$filled names, or nothing. Whether they print the same, end in the same way and leave the same files.
filled=()
both() {
  local ranks=$1 place ends=()
  shift
  for place in one many; do
    rm -rf "$scratch/$place"
    mkdir -p "$scratch/$place/out"
    if [ ${#filled[@]} -gt 0 ]; then cp -r "${filled[@]}" "$scratch/$place/out"; fi
    local program=("$products/momentum")
    if [ "$place" = many ]; then
      program=(timeout -k 5 "$limit" "$mpirun" ${launch[@]+"${launch[@]}"} -n "$ranks" "$products/momentum-mpi")
    fi
    ends+=("$(cd "$scratch/$place" && if "${program[@]}" "${@//OUT/out}" >printed 2>errors; then echo well; else echo ill; fi)")
  done
  cat "$scratch/one/errors" "$scratch/many/errors"
  [ "${ends[0]}" = "${ends[1]}" ] || return 1
  diff "$scratch/one/printed" "$scratch/many/printed" || return 1
  # With temporary files, if one were left.
  diff -r "$scratch/one/out" "$scratch/many/out" || return 1
  # Of errors, the first line; mpirun adds its own.
  [ "${ends[0]}" = well ] || grep -qxF "$(head -n 1 "$scratch/one/errors")" "$scratch/many/errors"
}
# steps RANKS OPTION...: the same for steps, which must succeed.
steps() {
  local ranks=$1
  shift
  both "$ranks" step --learning-rate 0.1 --momentum 0.9 --clip-global-norm 1 --json "$@" \
    && grep -q '"clipCoefficient"' "$scratch/many/printed"
}
one=(--parameters "$files/parameters" --output-parameters OUT/new --output-state OUT/state)
all=(--parameters "$files/model" --output-parameters OUT/new --output-state OUT/state)
masters=(--output-master OUT/master)

for ranks in $(numbers 2 3); do
  check "command: norm on $ranks" both "$ranks" norm "$files/first" --json
  check "command: norms of tensors on $ranks" both "$ranks" norm "$files/mixed" --json --per-tensor
  check "command: norm of a checkpoint on $ranks" both "$ranks" norm "$files/model" --json --per-tensor
  check "command: what is not finite on $ranks" both "$ranks" norm "$files/mixed" --norm-type inf
  check "command: a file that is not there, on $ranks" both "$ranks" norm "$files/nothing"
  check "command: a step on $ranks" steps "$ranks" "${one[@]}" --gradients "$files/first"
  check "command: two steps on $ranks" steps "$ranks" "${one[@]}" --gradients "$files/first" --steps 2
  check "command: half gradients on $ranks" steps "$ranks" "${one[@]}" --gradients "$files/half" --steps 2
  check "command: a checkpoint with masters on $ranks" steps "$ranks" "${all[@]}" "${masters[@]}" \
    --gradients "$files/gradients" --elements-at-once 100
done
# The states and masters of one process are where others go on.
cp -r "$scratch/one/out" "$files/kept"
for ranks in $(numbers 2 3 5); do
  check "command: going on with masters on $ranks" steps "$ranks" "${masters[@]}" --parameters "$files/kept/new" \
    --state "$files/kept/state" --master "$files/kept/master" --gradients "$files/more" --nesterov \
    --output-parameters OUT/new --output-state OUT/state
  check "command: several steps with masters on $ranks" steps "$ranks" "${masters[@]}" --parameters "$files/kept/new" \
    --state "$files/kept/state" --master "$files/kept/master" --gradients "$files/more" --steps 3 \
    --output-parameters OUT/new --output-state OUT/state
done
for ranks in $(numbers 2 3); do
  check "command: parameters in other files than their state on $ranks" steps "$ranks" "${masters[@]}" --parameters "$files/pieces" \
    --state "$files/kept/state" --gradients "$files/more" --skip head --output-parameters OUT/new --output-state OUT/state
done
filled=("$files/kept/new" "$files/kept/state" "$files/kept/master")
check "command: in the place of its files" steps 3 "${masters[@]}" --parameters OUT/new --state OUT/state \
  --master OUT/master --gradients "$files/more" --output-parameters OUT/new --output-state OUT/state
check "command: a part of the tensors in place" steps 3 "${masters[@]}" --parameters OUT/new --state OUT/state \
  --master OUT/master --gradients "$files/more" --output-parameters OUT/new --output-state OUT/state --skip 'w*'
filled=()
for rounding in nearest stochastic; do
  check "command: rounding to $rounding" steps 3 "${all[@]}" --rounding "$rounding" --skip bias --gradients "$files/gradients"
done
check "command: no tensor is asked for but one" steps 3 "${all[@]}" --only weight --gradients "$files/gradients"
check "command: no step" both 2 step --learning-rate 0.1 "${one[@]}" --gradients "$files/first" --steps 0 --json
check "command: micro-batches of several types" steps 2 "${one[@]}" --gradients "$files/first" "$files/half"
check "command: micro-batches" steps 2 "${one[@]}" --gradients "$files/first" "$files/second" "$files/third" --weights 1 2 3
check "command: micro-batches of a checkpoint" steps 2 "${all[@]}" "${masters[@]}" --gradients "$files/gradients" "$files/more"
check "command: gradients in shards" steps 2 "${all[@]}" "${masters[@]}" --shards --gradients "$files"/gradients/*.safetensors
check "command: velocity and average apart" steps 3 --parameters "$files/parameters" --gradients "$files/second" --ema 0.9 \
  --output-parameters OUT/new --output-velocity OUT/velocity --output-average OUT/average
cp "$scratch/one/out/velocity" "$scratch/one/out/average" "$files"
check "command: going on with velocity and average" steps 3 --parameters "$files/parameters" --gradients "$files/second" \
  --ema 0.9 --velocity "$files/velocity" --average "$files/average" --output-parameters OUT/new --output-velocity OUT/velocity
check "command: a velocity of another library" steps 3 --parameters "$files/parameters" --gradients "$files/second" \
  --convention keras --velocity "$files/third" --velocity-convention pytorch --output-parameters OUT/new \
  --output-velocity OUT/velocity
check "command: limits of units" both 2 step --learning-rate 0.1 "${one[@]}" --gradients "$files/second" --agc 0.01 --ema 0.9
for rule in '"kind": "muon", "learningRate": 0.02, "momentum": 0.95' '"kind": "adamw", "learningRate": 0.001'; do
  echo "{\"rule\": {$rule}, \"clipping\": {\"globalNorm\": 1}, \"adaptiveClipping\": {\"zClip\": {\"threshold\": 2.5}},
    \"groups\": [{\"name\": \"biases\", \"patterns\": [\"b*\"], \"rule\": {\"weightDecay\": 0.01}}]}" \
    >"$files/settings"
  check "command: settings with $rule" both 3 step "${one[@]}" --gradients "$files/second" --config "$files/settings" --json
done

# on_copy: takes the step of killed RANKS on a copy, by one process.
on_copy() {
  cp -r "$files/kept" "$files/new"
  "$products/momentum" step --learning-rate 0.1 --parameters "$files/new/new" --state "$files/new/state" \
    --master "$files/new/master" --gradients "$files/more" --output-parameters "$files/new/new" \
    --output-state "$files/new/state" --output-master "$files/new/master"
}
# killed SECONDS: whether a job that steps files in place leaves them old or new when its last rank is killed, and a second
# try makes them new, without a temporary file. What is new, \$files/new says.
killed() {
  local victim="$scratch/victim" job state folder
  rm -rf "$victim"
  cp -r "$files/kept" "$victim"
  local options=(--learning-rate 0.1 --parameters "$victim/new" --state "$victim/state" --master "$victim/master"
    --gradients "$files/more" --output-parameters "$victim/new" --output-state "$victim/state"
    --output-master "$victim/master")
  timeout -k 5 30 "$mpirun" ${launch[@]+"${launch[@]}"} -n 3 "$products/momentum-mpi" step "${options[@]}" &
  job=$!
  sleep "$1"
  pkill -KILL -n -f "^$products/momentum-mpi step .*$victim" || true
  wait "$job" && state=new || state=old
  for folder in new state master; do
    if [ "$state" = new ]; then
      diff -r "$files/new/$folder" "$victim/$folder" || return 1
    else
      # A rank that was killed at the very end has done its part.
      diff -r -x '.momentum-*.tmp' "$files/kept/$folder" "$victim/$folder" >/dev/null \
        || diff -r "$files/new/$folder" "$victim/$folder" || return 1
    fi
  done
  rm -rf "$victim"
  cp -r "$files/kept" "$victim"
  "$mpirun" ${launch[@]+"${launch[@]}"} -n 3 "$products/momentum-mpi" step "${options[@]}" && diff -r "$files/new" "$victim"
}
check "command: what a job that is not killed leaves" on_copy
for seconds in $(case "$size" in quick) echo 0.5 ;; *) echo 0.3 0.5 0.7 ;; esac); do
  check "command: a rank is killed after $seconds s" killed "$seconds"
done

check "command: gradients that are not finite" both 3 step "${one[@]}" --learning-rate 0.1 --clip-global-norm 1 \
  --gradients "$files/mixed" --skip head
check "command: gradients of other tensors" both 2 step "${one[@]}" --learning-rate 0.1 --gradients "$files/model"
check "command: an output that cannot be" both 2 step --learning-rate 0.1 --parameters "$files/parameters" \
  --gradients "$files/first" --output-parameters "$files/nothing/new/"
check "command: a state of other tensors" both 2 step --learning-rate 0.1 --parameters "$files/parameters" \
  --gradients "$files/first" --output-parameters OUT/new --state "$files/kept/state/model-00002-of-00003.safetensors"
# refuses COMMAND...: whether a command fails and says why: $expected.
refuses() { ! "$@" 2>"$scratch/errors" && grep -qF -- "$expected" "$scratch/errors"; }
ranked=("$mpirun" ${launch[@]+"${launch[@]}"} -n 2 "$products/momentum-mpi")
# Some launchers give ranks a terminal, which is refused before.
expected="--output-parameters is standard output, "
check "command: standard output is refused" refuses "${ranked[@]}" step --learning-rate 0.1 --parameters "$files/parameters" \
  --gradients "$files/first" --output-parameters -
expected="the one-pass mode writes before the norm is known; expected two passes in momentum-mpi"
check "command: one pass is refused" refuses "${ranked[@]}" step --learning-rate 0.1 "${one[@]}" --gradients "$files/first" \
  --clip-global-norm 1 --one-pass --non-finite propagate
check "command: info" timeout "$limit" "${ranked[@]}" info --json
