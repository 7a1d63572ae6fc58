#!/usr/bin/env bash
# Runs the library with other BLAS libraries than the system's, and says how each does.
#
# Usage: Scripts/test-blas.sh [--quick] [--build-folder FOLDER] [LIBRARY...]
#   --quick          BLIS, OpenMP, serial and 64-bit OpenBLAS only, and fewer tests: what CI runs
#   --build-folder   takes the release build of the tests (Scripts/test.sh leaves it in .build-release) instead of the
#                    debug build, and measures times
#   LIBRARY          names of the table, or paths of files that serve CBLAS, such as those in a Python wheel
#
# Needs apt-get, but not root: the packages are downloaded and unpacked into .build-blas, and the system's own libraries and
# alternatives stay as they are. Nothing is built anew for a library. The programs look for libopenblas.so.0, and find the other
# one under that name in a folder of LD_LIBRARY_PATH; LAPACK and its BLAS are replaced, too, where OpenBLAS's would need OpenBLAS.
#
# For each library: `momentum info`, `momentum validate`, the tests that compare bits, the threads that it starts on loading and by
# a step (the latter must be none), and the time of a step of 10000 parameters, with a release build. The 64-bit OpenBLAS must be
# refused, and a library whose axpy rounds elements in two ways be noticed. A library whose names have a prefix, as in the wheels
# of SciPy's OpenBLAS (scipy_cblas_sdot), is called through one that forwards them.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

quick=false
build=
wanted=()
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) quick=true ;;
    --build-folder)
      [ -n "${2-}" ] || fail "--build-folder expects a folder"
      build=$2
      shift
      ;;
    -h | --help) help; exit ;;
    -*) fail "unknown argument '$1'; see --help" ;;
    *) wanted+=("$1") ;;
  esac
  shift
done
options=(--package-path "$root" "${strict[@]}")
if [ -n "$build" ]; then
  find_tests "$build"
  options+=("${tests_build[@]}")
fi
[ "$(uname)" = Linux ] || fail "needs Linux: elsewhere libraries are not found in this way"
command -v apt-get >/dev/null || fail "needs apt-get, for the libraries"

work="$root/.build-blas"
logs="$root/.build-logs"
mkdir -p "$work/packages" "$work/stand-in" "$logs"
folder="usr/lib/$(gcc -print-multiarch)"
bits=MomentumTests.NormBitsTests,MomentumTests.SelfCheckTests
bits=$bits,MomentumOptimizerTests.StepBitsTests,MomentumOptimizerTests.ProgramExecutionTests
$quick || bits=$bits,MomentumOptimizerTests.StepSweepTests
# Holds for every library that exists.
probes=MomentumTests.BLASLibraryTests

# NAME PACKAGE FILE [FORTRAN]: a library, the package that has it, its file, and the file of its Fortran routines if LAPACK cannot
# be OpenBLAS's.
libraries() {
  cat <<END
blis-pthread libblis4-pthread blis-pthread/libblis.so.4 blis-pthread/libblas.so.3
blis-openmp libblis4-openmp blis-openmp/libblis.so.4 blis-openmp/libblas.so.3
openblas-openmp libopenblas0-openmp openblas-openmp/libopenblas.so.0
openblas-serial libopenblas0-serial openblas-serial/libopenblas.so.0
reference libblas3 blas/libblas.so.3 blas/libblas.so.3
atlas libatlas3-base atlas/libblas.so.3 atlas/libblas.so.3
openblas-64 libopenblas64-0-pthread openblas64-pthread/libopenblas64.so.0
END
}
if [ ${#wanted[@]} -eq 0 ]; then
  if $quick; then
    wanted=(blis-pthread blis-openmp openblas-openmp openblas-serial openblas-64 mixed-axpy)
  else
    wanted=(system $(libraries | cut -d ' ' -f 1) mixed-axpy)
  fi
fi

# unpack PACKAGE: puts what a package contains into a folder of its name.
unpack() {
  local target="$work/packages/$1"
  [ ! -d "$target" ] || return 0
  (
    cd "$work/packages"
    apt-get download -q "$1" >"$logs/blas-download.log" 2>&1 || {
      # The lists of packages may be missing or old. New ones, for this script only.
      mkdir -p "$work/apt/lists/partial" "$work/apt/cache"
      lists=(-o "Dir::State::Lists=$work/apt/lists" -o "Dir::Cache=$work/apt/cache")
      { apt-get "${lists[@]}" -q update && apt-get "${lists[@]}" download -q "$1"; } >>"$logs/blas-download.log" 2>&1
    } || {
      cat "$logs/blas-download.log"
      fail "cannot download $1"
    }
    dpkg -x "$1"_*.deb "$target.part"
    rm -f "$1"_*.deb
    mv "$target.part" "$target"
  )
}

# stand_in NAME FILE [BLAS]: makes the folder in which programs find a library instead of OpenBLAS.
stand_in() {
  local target="$work/stand-in/$1" neighbour
  rm -rf "$target" && mkdir -p "$target"
  ln -s "$2" "$target/libopenblas.so.0"
  if [ -n "${3-}" ]; then
    unpack liblapack3
    ln -s "$3" "$target/libblas.so.3"
    ln -s "$work/packages/liblapack3/$folder/lapack/liblapack.so.3" "$target/liblapack.so.3"
  else
    for neighbour in liblapack.so.3 libblas.so.3; do
      [ ! -e "$(dirname "$2")/$neighbour" ] || ln -s "$(dirname "$2")/$neighbour" "$target/"
    done
  fi
  # What lies beside it in its package may be needed as well.
  for neighbour in "$(dirname "$2")"/lib*.so* "$(dirname "$(dirname "$2")")"/lib*.so*; do
    [ -e "$neighbour" ] || continue
    case "$neighbour" in /usr/* | /lib/*) continue ;; esac
    case "$(basename "$neighbour")" in libblas.* | liblapack.* | libopenblas.*) continue ;; esac
    [ -e "$target/$(basename "$neighbour")" ] || ln -s "$neighbour" "$target/"
  done
}

# A BLAS whose axpy rounds the first half of the elements once and the others twice. No library is known to do so with calls of
# the lengths that the engine makes; what the engine does about it must be seen nevertheless.
mixed_axpy() {
  cat >"$work/mixed_axpy.c" <<'END'
#define AXPY(name, type, fma)                                          \
  void name(int n, type a, const type *x, int incx, type *y, int incy) { \
    for (int i = 0; i < n; i++) {                                        \
      type *to = y + (long)i * incy, product = a * x[(long)i * incx];    \
      *to = i < n / 2 ? fma(a, x[(long)i * incx], *to) : product + *to;  \
    }                                                                    \
  }
AXPY(cblas_saxpy, float, __builtin_fmaf)
AXPY(cblas_daxpy, double, __builtin_fma)
END
  gcc -shared -fPIC -O2 -ffp-contract=off -o "$work/mixed_axpy.so" "$work/mixed_axpy.c" -lm
}

# value NAME: a fact of the BLAS in the JSON of the last `momentum info`.
value() { sed -nE "s/^ *\"$1\" *: *\"?([^\",]*)\"?,?\$/\1/p" "$info" | head -n 1; }

columns='%-22s %-10s %-8s %-10s %-16s %-9s %-8s %-8s %s'
rows=()
failed=()
# row NAME FACT...: a line of the table.
row() { rows+=("$(printf "$columns" "$@")"); }

# run LIMIT COMMAND...: a command that is ended after some seconds.
run() { timeout --foreground "$@"; }

# forwarder PREFIX FILE: makes a library that has the routines of CBLAS and jumps to those of a file whose names have a prefix.
forwarder() {
  local routine jump=jmp
  [ "$(uname -m)" != aarch64 ] || jump=b
  for routine in $(grep -oE 'cblas_[a-z]+' "$root/Sources/CMomentumBLAS/shim.h" | sort -u); do
    printf '__asm__(".globl %s\\n.type %s, @function\\n%s: %s %s%s\\n");\n' \
      "$routine" "$routine" "$routine" "$jump" "$1" "$routine"
  done >"$work/forwarder.c"
  gcc -shared -fPIC -o "$work/forwarder.so" "$work/forwarder.c" -Wl,--no-as-needed "$2" -Wl,-rpath,"$(dirname "$2")"
}

# started THREADS LINE: the threads of a library before or after a step, as the client of the library has counted them.
started() { sed -nE "s/.*threads of the BLAS ([0-9]+) before, ([0-9]+) more.*/\\$1/p" <<<"$2"; }

# try NAME [TESTS]: everything with one library.
try() {
  local name=$1 validate=passed tests=passed time=- core use
  info="$logs/blas-$name-info.json"
  run 120 "$momentum" info --json >"$info" 2>"$logs/blas-$name-info.log" || {
    cat "$logs/blas-$name-info.log"
    failed+=("$name: momentum info")
  }
  run 600 "$momentum" validate >"$logs/blas-$name-validate.log" 2>&1 || { validate=FAILED; failed+=("$name: validate"); }
  run 900 "$tests_binary" "$bits${2+,$2}" >"$logs/blas-$name-tests.log" 2>&1 || { tests=FAILED; failed+=("$name: tests"); }
  grep -E 'Executed [1-9][0-9]* tests?, with' "$logs/blas-$name-tests.log" >/dev/null || {
    tests=none
    failed+=("$name: no test was run")
  }
  use=$(run 60 "$client" blas 2>&1) || true
  case "$use" in *", 0 more after a step, step right") ;; *) failed+=("$name: a step of a client: $use") ;; esac
  if [ -n "$build" ]; then
    time=$(run 300 "$momentum" bench --count 1e4 --rows step --threads 1 --repeat 5 --json 2>"$logs/blas-$name-bench.log" |
      sed -nE 's/^ *"secondsMin" *: *([0-9.e+-]*),?$/\1/p' | head -n 1) || failed+=("$name: bench")
    [ -z "$time" ] || time=$(awk -v s="$time" 'BEGIN { printf "%.2f us", s * 1e6 }')
  fi
  core=$(value coreType)
  row "$name" "${core:--}" "$(value axpyRounding)" "$(value dotDependsOnAlignment)" \
    "$(printf '%.1f / %.1f u' "$(value floatSumError)" "$(value doubleSumError)")" "$validate" "$tests" "$(started 1 "$use") + $(started 2 "$use")" "$time"
}

# refuse NAME: a library that counts with 64 bits must be refused by name, and nothing be computed.
refuse() {
  local log="$logs/blas-$1.log" status=0
  run 60 "$momentum" validate >"$log" 2>&1 || status=$?
  if [ "$status" -ne 0 ] && grep -q '64-bit integers; expected 32 bits' "$log"; then
    row "$1" - - - - refused refused - -
  else
    cat "$log"
    failed+=("$1: not refused")
  fi
}

step "Building" swift build "${options[@]}" --build-tests
bin=$(swift build "${options[@]}" --show-bin-path)
momentum="$bin/momentum"
client="$bin/MomentumTestHost"
tests_binary="$bin/swift-momentumPackageTests.xctest"

for name in "${wanted[@]}"; do
  entry=$(libraries | awk -v name="$name" '$1 == name')
  read -r _ package file fortran <<<"$entry" || true
  case "$name" in
    system) step "The system's BLAS" try system "$probes" ;;
    mixed-axpy)
      mixed_axpy
      LD_PRELOAD="$work/mixed_axpy.so" step "An axpy that rounds in two ways" try mixed-axpy
      [ "$(value axpyRounding)" = mixed ] || failed+=("mixed-axpy: not noticed")
      ;;
    */*)
      [ -f "$name" ] || fail "no file $name"
      file=$(readlink -f "$name")
      fortran=$file
      nm -D --defined-only "$file" | grep -E ' T dgemm_$' >/dev/null || {
        unpack libblas3
        fortran="$work/packages/libblas3/$folder/blas/libblas.so.3"
      }
      prefix=$(nm -D --defined-only "$file" | sed -nE 's/^[0-9a-f]+ T (.+)cblas_sdot$/\1/p')
      if [ -n "$prefix" ]; then
        forwarder "$prefix" "$file"
        file="$work/forwarder.so"
      fi
      stand_in "$(basename "$name")" "$file" "$fortran"
      LD_LIBRARY_PATH="$work/stand-in/$(basename "$name")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \
        step "$(basename "$name")" try "$(basename "$name")" "$probes"
      ;;
    *)
      [ -n "$entry" ] || fail "unknown library '$name'; see --help"
      step "Unpacking $name" unpack "$package"
      base="$work/packages/$package/$folder"
      stand_in "$name" "$base/$file" ${fortran:+"$base/$fortran"}
      action=(try "$name" "$probes")
      [ "$name" != openblas-64 ] || action=(refuse "$name")
      LD_LIBRARY_PATH="$work/stand-in/$name${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" step "With $name" "${action[@]}"
      ;;
  esac
done

say "The libraries; logs are in $logs"
# shellcheck disable=SC2059
printf "$columns\n" library kernels axpy "dot varies" "sum error" validate tests threads "step 10^4"
printf '%s\n' "${rows[@]}"
[ ${#failed[@]} -eq 0 ] || fail "$(printf '%s; ' "${failed[@]}")"
