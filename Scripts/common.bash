# Sourced by the other scripts: where the checkout is, and how steps are told, timed and logged.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# The same flags in every build, so that one build folder serves them all. They reach our own sources only: SwiftPM
# silences the warnings of other packages.
strict=(-Xswiftc -warnings-as-errors)

# find_mpi: whether there is an MPI with its headers; Open MPI if there are two. Sets mpi_traits, the options of a build with it,
# mpi_folder, the folder of a debug build, and mpi_test, the option of Scripts/test-mpi.sh.
find_mpi() {
  mpi_traits=(--traits default,MPI) mpi_folder="$root/.build-mpi" mpi_test=()
  if [[ "$(mpirun --version 2>/dev/null)" == *"Open MPI"* ]] && pkg-config --exists "${MPI_PKG_CONFIG:-mpi-c}"; then return; fi
  command -v mpirun.mpich >/dev/null && pkg-config --exists mpich || return 1
  export MPI_PKG_CONFIG=mpich
  mpi_folder="$root/.build-mpich" mpi_test=(--mpich)
}

# find_tests [FOLDER]: sets tests_build, the options of the release build of the tests, and tests_folder, where it lies. They need
# -enable-testing: so it lies in a folder of its own, because the command is made without. A debug build is there for whoever wants
# to look inside, so this one does without debug information. Where there is an MPI it is made with it, and so has everything that
# is tested. Other flags stand before these everywhere: in another order they would be another build.
find_tests() {
  tests_folder=${1:-.build-release}
  [[ "$tests_folder" = /* ]] || tests_folder="$root/$tests_folder"
  tests_build=(-c release -debug-info-format none -Xswiftc -enable-testing --scratch-path "$tests_folder")
  if find_mpi; then tests_build+=("${mpi_traits[@]}"); fi
}

say() { printf '\n==> %s\n' "$*"; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Prints the comment at the head of the calling script: everything from its second line to the first that is no comment.
help() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "${BASH_SOURCE[1]}"; }

# step LABEL COMMAND...: runs a command and says how long it took. A failing command ends the script (errexit), which
# then names the step.
step() {
  local start=$SECONDS
  current_step=$1
  shift
  say "$current_step"
  "$@"
  printf '==> ok, %d s: %s\n' "$((SECONDS - start))" "$current_step"
  current_step=
}
current_step=
trap 'status=$?; [ -z "$current_step" ] || printf "\n==> FAILED (exit %d): %s\n" "$status" "$current_step" >&2' EXIT
