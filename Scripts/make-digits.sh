#!/usr/bin/env bash
# Makes Sources/MomentumCLI/Resources/digits.bin from the copy of the data set in the scikit-learn package on PyPI.
#
# Usage: Scripts/make-digits.sh
#
# Not needed to build: the file is committed. Needs python3 with the venv module, and the network.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

case "${1-}" in
  "") ;;
  -h | --help) help; exit ;;
  *) fail "unknown argument '$1'; see --help" ;;
esac

environment="$root/.venv-digits"
wheels="$environment/wheels"
result="$root/Sources/MomentumCLI/Resources/digits.bin"
[ -d "$environment" ] || python3 -m venv "$environment"
"$environment/bin/pip" download --quiet --no-deps --only-binary :all: --dest "$wheels" 'scikit-learn==1.9.1'
"$environment/bin/python" - "$wheels" "$result" <<'EOF'
import glob, gzip, struct, sys, zipfile

wheel = glob.glob(sys.argv[1] + "/scikit_learn-*.whl")[0]
text = gzip.decompress(zipfile.ZipFile(wheel).read("sklearn/datasets/data/digits.csv.gz")).decode()
rows = [[int(float(cell)) for cell in line.split(",")] for line in text.split()]
assert len(rows) == 1797 and all(len(row) == 65 for row in rows)
with open(sys.argv[2], "wb") as out:
    # Magic, number of images, width, height (little-endian); then the images row by row; then the labels.
    out.write(b"DIGITS\x00\x01" + struct.pack("<IHH", len(rows), 8, 8))
    for row in rows:
        out.write(bytes(row[:64]))
    out.write(bytes(row[64] for row in rows))
EOF
echo "Written: $result"
