#!/usr/bin/env bash
# Regenerates the reference values in Tests/Fixtures from exact arithmetic. Works from any folder; needs Python 3.10
# or newer. Writes the same bytes each time and says which files changed.
#
# Scripts/make-reference.sh                    all fixtures and their manifest
# Scripts/make-reference.sh --reproblas DATA   also compares ReproBLAS's golden results with exact values, from the
#                                              folder tests/checks/data of a checkout of its repository
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
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
