"""How fixtures are written: JSON with a head, one case a line, and a manifest of digests."""

import json

from inputs import digest_text, fnv1a

FORMAT = 1


def rendered(cases, origin, libraries, extra=None):
    """JSON with one case a line, so that a changed value is one changed line."""
    head = {
        "format": FORMAT,
        "generator": "Scripts/make-reference.sh",
        "origin": origin,
        "libraries": libraries,
        **(extra or {}),
    }
    lines = [json.dumps(case, separators=(",", ":"), allow_nan=False) for case in cases]
    return json.dumps(head, indent=1)[:-2] + ',\n "cases": [\n' + ",\n".join(lines) + "\n]}\n"


def replace(path, content):
    """Writes a file if its content is new, and says so."""
    data = content.encode()
    old = path.read_bytes() if path.exists() else None
    state = "unchanged" if data == old else "changed" if old is not None else "new"
    if data != old:
        path.write_bytes(data)
    print("  %-22s %8d bytes  %s" % (path.name, len(data), state))


def write_manifest(folder, pattern="*.json"):
    """Lists every file of a folder with its digest."""
    entries = []
    for path in folder.glob(pattern):
        data = path.read_bytes()
        entries.append("%s %d %s" % (digest_text(fnv1a(data)), len(data), path.name))
    header = "# FNV-1a (64 bits), bytes, file; written by Scripts/make-reference.sh\n"
    replace(folder / "MANIFEST.txt", header + "\n".join(sorted(entries)) + "\n")
