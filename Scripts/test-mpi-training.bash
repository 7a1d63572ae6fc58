# Sourced by Scripts/test-mpi.sh: momentum-mpi train, and what the command refuses.

say "Training: the same report and the same checkpoints on any number of ranks"
network=(train --seeds 1 --epochs 2 --hidden 8 --batch 64 --clippings global --rules momentum --gnuplot no-gnuplot)
launched() {
  local ranks=$1
  shift
  timeout -k 5 "$limit" "$mpirun" ${launch[@]+"${launch[@]}"} -n "$ranks" "$products/momentum-mpi" "$@"
}
# reports RANKS FOLDER OPTION...: whether a training leaves the files of a folder.
reports() {
  local ranks=$1 expected=$2
  shift 2
  rm -rf "$scratch/report"
  launched "$ranks" "${network[@]}" --output "$scratch/report" "$@" && diff -r "$expected" "$scratch/report"
}
# interrupted RANKS EPOCHS: stops a training of that many ranks, in good order, long before it is done.
interrupted() {
  rm -rf "$scratch/report"
  launched "$1" "${network[@]}" --epochs "$2" --output "$scratch/report" >"$scratch/interrupted" 2>&1 &
  local job=$! status=0 heard
  until [ -e "$scratch/report/checkpoint/options.json" ] || ! kill -0 "$job" 2>/dev/null; do sleep 0.02; done
  # One of the ranks hears of it; all stop.
  heard=$(pgrep -f "^$products/momentum-mpi train .*--output $scratch/report" | tail -n 1)
  [ -n "$heard" ] || { cat "$scratch/interrupted"; echo "the training had ended before it could be stopped"; return 1; }
  kill -INT "$heard"
  wait "$job" || status=$?
  cat "$scratch/interrupted"
  [ "$status" -ne 0 ] && grep -q "interrupted; go on with: momentum-mpi train --resume $scratch/report" "$scratch/interrupted" \
    && grep -q '"parameters"' "$scratch/report"/checkpoint/*seed1.json
}
# resumed RANKS FOLDER: whether the interrupted training ends with the files of a folder.
resumed() {
  launched "$1" train --resume "$scratch/report" --gnuplot no-gnuplot && diff -r "$2" "$scratch/report"
}
launched 1 "${network[@]}" --output "$scratch/trained" >"$scratch/log" 2>&1 || fail "$(cat "$scratch/log")"
for ranks in $(numbers 2 3 4 5 8); do check "training on $ranks" reports "$ranks" "$scratch/trained"; done
"$products/momentum" "${network[@]}" --output "$scratch/alone" >"$scratch/log" 2>&1 || fail "$(cat "$scratch/log")"
# Without the number of micro-batches, which one process does not know.
sed 's/"clippings"/"microBatches":1,&/; s/\("microBatches":1,\)\(.*"learningRate":[^,]*,\)/\2\1/' -i "$scratch/alone/checkpoint/options.json"
check "training of whole batches" reports "$(numbers 2)" "$scratch/alone" --micro-batches 1
check "training with the other rules" launched "$(numbers 2 3 | tail -n 1)" "${network[@]}" --epochs 1 --rules adamw muon lion \
  --clippings norm --micro-batches 3 --output "$scratch/rules"
# Some seconds of three ranks on two processors, many times as long as it takes to stop them.
epochs=60
launched 1 "${network[@]}" --epochs "$epochs" --output "$scratch/long" >"$scratch/log" 2>&1 || fail "$(cat "$scratch/log")"
first=$(numbers 2 3 | tail -n 1)
check "training interrupted on $first" interrupted "$first" "$epochs"
check "training resumed on 2" resumed 2 "$scratch/long"
expected="is a report of momentum-mpi train; expected one of momentum train"
check "a training of ranks is not resumed by momentum" refuses "$products/momentum" train --resume "$scratch/trained"
expected="--gradient-type cannot be given to momentum-mpi"
check "training with half gradients" refuses launched 2 train --gradient-type bf16
