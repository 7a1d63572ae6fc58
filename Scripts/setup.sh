#!/usr/bin/env bash
# Prepares a machine: finds what swift-momentum needs and installs what is missing.
#
# Usage: Scripts/setup.sh [--check] [--mpi] [--mpich] [--emulators]
#   --check       install nothing; fail if something is missing
#   --mpi         also Open MPI, for the trait MPI and Scripts/test-mpi.sh
#   --mpich       also MPICH, for Scripts/test-mpi.sh --mpich; Open MPI stays what mpirun is
#   --emulators   also what Scripts/test-processors.sh emulates other processors with
#
# Needed: Swift 6.3 or newer, OpenBLAS and LAPACKE with their headers, pkg-config. Wanted: gnuplot, for pictures.
# On Debian and Ubuntu, what is missing is installed with apt-get (with sudo unless root). Elsewhere the script says what
# to install. Running it again changes nothing.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

install=true mpi=false mpich=false emulators=false
for argument in "$@"; do
  case "$argument" in
    --check) install=false ;;
    --mpi) mpi=true ;;
    --mpich) mpich=true ;;
    --emulators) emulators=true ;;
    -h | --help) help; exit ;;
    *) fail "unknown argument '$argument'; see --help" ;;
  esac
done

# The names of the Debian packages that are missing, one a line. Tests what is used and not the package names, so
# that another build of OpenBLAS, or one installed by hand, counts.
missing() {
  command -v git >/dev/null || echo git
  command -v pkg-config >/dev/null || echo pkg-config
  pkg-config --exists openblas 2>/dev/null || echo libopenblas-dev
  pkg-config --exists lapacke 2>/dev/null || echo liblapacke-dev
  command -v gnuplot >/dev/null || echo gnuplot-nox
  if $mpi; then
    pkg-config --exists "${MPI_PKG_CONFIG:-mpi-c}" 2>/dev/null || echo libopenmpi-dev
    command -v mpirun >/dev/null || echo openmpi-bin
  fi
  if $mpich; then
    pkg-config --exists mpich 2>/dev/null || echo libmpich-dev
    command -v mpirun.mpich >/dev/null || echo mpich
  fi
  if $emulators; then
    command -v qemu-x86_64 >/dev/null && command -v qemu-aarch64 >/dev/null || echo qemu-user
    command -v aarch64-linux-gnu-gcc >/dev/null || echo gcc-aarch64-linux-gnu
    [ -e /usr/aarch64-linux-gnu/include/stdio.h ] || echo libc6-dev-arm64-cross
  fi
  [ "$(uname)" = Linux ] || return 0
  # Swift links with the system's C library and start files.
  command -v g++ >/dev/null || echo g++
  # Shared libraries of the toolchain itself.
  local tool
  tool=$(command -v swift) || return 0
  tool=$(dirname "$(readlink -f "$tool")")
  ldd "$tool/swift-package" "$tool/swift-frontend" 2>/dev/null | awk '/not found/ { print $1 }' | sort -u \
    | while read -r library; do
        case "$library" in
          libcurl.*) echo libcurl4 ;;
          libxml2.*) echo libxml2 ;;
          libsqlite3.*) echo libsqlite3-0 ;;
          libedit.*) echo libedit2 ;;
          libncurses.*) echo libncurses6 ;;
          libz.*) echo zlib1g ;;
          *) echo "warning: the Swift toolchain needs $library, which is missing" >&2 ;;
        esac
      done
}

say "Looking for OpenBLAS, LAPACKE, pkg-config, gnuplot and the libraries Swift needs"
packages=$(missing | tr '\n' ' ')
packages=${packages% }
if [ -z "$packages" ]; then
  echo "Nothing is missing: openblas $(pkg-config --modversion openblas), lapacke $(pkg-config --modversion lapacke)"
elif ! $install; then
  fail "missing (names of Debian packages): $packages"
elif command -v apt-get >/dev/null; then
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "not root and no sudo; as root run: apt-get install $packages"
    as_root=(sudo)
  fi
  echo "Installing: $packages"
  export DEBIAN_FRONTEND=noninteractive
  ${as_root[@]+"${as_root[@]}"} apt-get update -q
  # shellcheck disable=SC2086  # one word a package
  ${as_root[@]+"${as_root[@]}"} apt-get install -y -q --no-install-recommends $packages
  still=$(missing | tr '\n' ' ')
  [ -z "$still" ] || fail "still missing after the installation: $still"
else
  cat <<EOF
Missing (names of Debian packages): $packages
This script installs with apt-get only. Install by hand:
  macOS:   brew install openblas lapack pkgconf gnuplot
           export PKG_CONFIG_PATH="\$(brew --prefix openblas)/lib/pkgconfig:\$(brew --prefix lapack)/lib/pkgconfig"
  Fedora:  dnf install openblas-devel lapack-devel pkgconf gnuplot
EOF
  pkg-config --exists openblas lapacke 2>/dev/null \
    || fail "pkg-config finds no openblas and lapacke; see the commands above"
  echo "pkg-config finds openblas and lapacke: going on."
fi

say "Looking for Swift 6.3 or newer"
where="see https://www.swift.org/install"
command -v swift >/dev/null || fail "no 'swift' in PATH; $where"
version=$(swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+\.[0-9]+).*/\1/p' | head -n 1)
[ -n "$version" ] || fail "'swift --version' does not say its version; $where"
if [ "${version%%.*}" -lt 6 ] || { [ "${version%%.*}" -eq 6 ] && [ "${version#*.}" -lt 3 ]; }; then
  fail "Swift $version is too old; 6.3 or newer is needed: $where"
fi
echo "Swift $version"
