#!/usr/bin/env bash
# Regenerates the reference values in Tests/Fixtures from exact arithmetic, or those in Tests/Fixtures/peers by the peers
# themselves. Works from any folder; needs Python 3.10 or newer. Says which files changed: exact values have the same
# bytes each time, those of the peers on the same kind of processor.
#
# Scripts/make-reference.sh                    all exact fixtures and their manifest
# Scripts/make-reference.sh --peers [LIST]     the peers' fixtures and their manifest; of torch,keras,optax,mlx (default:
#                                              all). Installs them unless PEERS_ENVIRONMENT names an environment that
#                                              has them, see Scripts/peers.bash
# Scripts/make-reference.sh --momenta          the momentum buffers of PyTorch and Optax in Tests/Fixtures/momenta, and their
#                                              manifest; from the same environment
# Scripts/make-reference.sh --reproblas DATA   also compares ReproBLAS's golden results with exact values, from the
#                                              folder tests/checks/data of a checkout of its repository
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

case "${1-}" in
  -h | --help) help; exit ;;
  --peers)
    source "$root/Scripts/peers.bash"
    provide_peers
    exec "$environment/bin/python" -B "$root/Scripts/reference/make_peers.py" "$root/Tests/Fixtures/peers" \
      ${2:+--peers "$2"}
    ;;
  --momenta)
    source "$root/Scripts/peers.bash"
    provide_peers
    exec "$environment/bin/python" -B "$root/Scripts/reference/peer_momenta.py" "$root/Tests/Fixtures/momenta"
    ;;
esac
environment="$root/.venv-reference"
mpmath="mpmath==1.3.0"

python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
  echo "make-reference.sh: $(python3 --version) found; expected Python 3.10 or newer" >&2
  exit 69
}
if ! "$environment/bin/python" -c 'import mpmath; assert mpmath.__version__ == "1.3.0"' 2>/dev/null; then
  echo "Creating .venv-reference with $mpmath"
  python3 -m venv --clear "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check "$mpmath"
fi
echo "Writing Tests/Fixtures"
exec "$environment/bin/python" -B "$root/Scripts/reference/make.py" "$root/Tests/Fixtures" "$@"
