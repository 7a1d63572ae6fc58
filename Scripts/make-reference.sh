#!/usr/bin/env bash
# Regenerates the reference values in Tests/Fixtures, from exact arithmetic or by the peers themselves.
#
# Usage: Scripts/make-reference.sh [--reproblas DATA]        all exact fixtures and their manifest
#        Scripts/make-reference.sh --peers [LIST]            Tests/Fixtures/peers, what PyTorch, Keras, Optax and MLX compute
#        Scripts/make-reference.sh --momenta                 Tests/Fixtures/momenta, momentum buffers of PyTorch and Optax
#        Scripts/make-reference.sh --units [CASES [FILE]]    Tests/Fixtures/units, clips and rules by unit of Optax and TensorFlow
#        Scripts/make-reference.sh --moments [CASES [FILE]]  Tests/Fixtures/moments, runs of Lion, AdamW and Muon by Optax, Keras and MLX
#   --reproblas   also compares ReproBLAS's golden results with exact values; DATA is the folder tests/checks/data of a
#                 checkout of its repository
#   LIST          of torch,keras,optax,mlx (default: all)
#   CASES, FILE   so many cases of each kind, written to FILE (default: the fixture and its 6); with UNIT_PEERS=FILE in the
#                 environment UnitPeerTests reads them, with MOMENT_PEERS=FILE MomentPeerTests
#
# Says which files changed: exact values have the same bytes each time, those of the peers on the same kind of processor.
# Exact values need Python 3.10 or newer. The peers are installed unless PEERS_ENVIRONMENT names an environment that has
# them, see Scripts/peers.bash.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

generators="$root/Scripts/reference"
fixtures="$root/Tests/Fixtures"

# by_peers ARGUMENT...: runs the generator that asks the peers, in their environment.
by_peers() {
  source "$root/Scripts/peers.bash"
  provide_peers
  exec "$environment/bin/python" -B "$generators/make_peers.py" "$@"
}
case "${1-}" in
  -h | --help) help; exit ;;
  --peers) by_peers "$fixtures/peers" ${2:+--peers "$2"} ;;
  --momenta) by_peers "$fixtures/momenta" --momenta ;;
  --units)
    [[ "${2-6}" =~ ^[1-9][0-9]*$ ]] || fail "--units: '$2' is not a positive number of cases"
    by_peers "${3:-$fixtures/units/peers.json}" --units "${2-6}"
    ;;
  --moments)
    [[ "${2-6}" =~ ^[1-9][0-9]*$ ]] || fail "--moments: '$2' is not a positive number of cases"
    by_peers "${3:-$fixtures/moments/peers.json}" --moments "${2-6}"
    ;;
  "" | --reproblas) ;;
  *) fail "unknown argument '$1'; see --help" ;;
esac

environment="$root/.venv-reference"
mpmath="mpmath==1.3.0"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
  || fail "$(python3 --version) found; expected Python 3.10 or newer"
if ! "$environment/bin/python" -c 'import mpmath; assert mpmath.__version__ == "1.3.0"' 2>/dev/null; then
  echo "Creating .venv-reference with $mpmath"
  python3 -m venv --clear "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check "$mpmath"
fi
echo "Writing Tests/Fixtures"
exec "$environment/bin/python" -B "$generators/make.py" "$fixtures" "$@"
