# Sourced by Scripts/test-mpi.sh --long: what takes minutes.

if ! $mpich; then
  say "Every number of ranks under every algorithm"
  for algorithm in 1 2 3 4 5 6; do
    for ranks in $(numbers 2 3 4 5 8); do
      check "norm on $ranks under algorithm $algorithm" forced "$algorithm" printed "$scratch/norm" on "$ranks" norm
      for sharding in state stateAndGradients; do
        check "everything, sharding $sharding, on $ranks under algorithm $algorithm" \
          forced "$algorithm" trained "$scratch/everything" "$ranks" setup=everything "sharding=$sharding" buckets=10000
      done
    done
  done
fi

say "Saved on P ranks, resumed on Q"
for saving in $(numbers 1 2 3 4); do
  rm -rf "$scratch/pair"
  mkdir "$scratch/pair"
  check "saved on $saving" on "$saving" train setup=everything steps=2 "folder=$scratch/pair"
  for resuming in $(numbers 1 2 3 4); do
    check "saved on $saving, resumed on $resuming" trained "$scratch/everything" "$resuming" setup=everything steps=2 \
      "resume=$scratch/pair/state"
  done
done

say "Ranks that are killed at random places"
for round in $(seq 40); do
  ranks=$((round % 3 + 2))
  if [ "$ranks" -gt "$most" ]; then ranks=$most; fi
  rm -rf "$scratch/dying"
  mkdir "$scratch/dying"
  job=("$mpirun" ${launch[@]+"${launch[@]}"} -n "$ranks" "$products/MomentumMPICases" die $((seed + round)))
  check "a rank of $ranks is killed, seed $((seed + round))" ends "${job[@]}" "$scratch/dying/state"
done
