"""The peers whose numbers are written down and compared with, and the Python module that each of them needs.

What a peer computes is in convention_NAME.py.
"""

from importlib.util import find_spec

MODULES = {"torch": "torch", "keras": "keras", "optax": "optax", "mlx": "mlx"}


def is_installed(peer: str) -> bool:
    return find_spec(MODULES[peer]) is not None
