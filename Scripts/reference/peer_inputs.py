"""Inputs of the peers' fixtures: tensors drawn by recipe, and how tensors and options are written."""

import numpy as np

from exact import text
from inputs import explicit, recipe
from trials import Tensors

# Small, and few: each tensor is written out as a result.
LAYOUTS = [
    [(1,)],
    [(), (3,)],
    [(5, 0), (7,)],
    [(4, 3), (5,)],
    [(2, 3, 2), (), (6,)],
    [(17,)],
    [(2, 2, 3, 2), (1,), (3, 4)],
    [(61,), (3, 11)],
]
DTYPES = {"float": np.float32, "double": np.float64}


def scalar_name(dtype) -> str:
    return "float" if np.dtype(dtype) == np.float32 else "double"


class Recipes:
    """Draws tensors that any language can make again, and remembers how."""

    def __init__(self):
        self.known = {}

    def __call__(self, generator: np.random.Generator, shape: tuple[int, ...], scale: float, dtype: type) -> np.ndarray:
        """A tensor with nearly normal elements of that size, rounded to a power of two; the form of trials.Draw."""
        count = int(np.prod(shape, dtype=int))
        if scale == 0:
            made = recipe("constant", count, scalar_name(dtype), value=text(0.0))
        else:
            exponent, seed = round(np.log2(scale)), int(generator.integers(1 << 63))
            made = recipe("normal", count, scalar_name(dtype), seed=seed, exponent=int(exponent))
        return self.remember(made, shape, dtype)

    def explicit(self, values: list[float], shape: tuple[int, ...], dtype: type) -> np.ndarray:
        """A tensor that is written out."""
        return self.remember(explicit([float(dtype(value)) for value in values], scalar_name(dtype)), shape, dtype)

    def remember(self, made: tuple[dict, list[float]], shape: tuple[int, ...], dtype: type) -> np.ndarray:
        tensor = np.array(made[1], dtype=dtype).reshape(shape)
        # The tensor is kept as well, so that no other takes its identity.
        self.known[id(tensor)] = made[0], tensor
        return tensor

    def written(self, tensors: Tensors, names: list[str]) -> list[dict | None]:
        """The recipes of tensors in the order of some names; a missing one is null."""
        return [self.known[id(tensors[name])][0] if name in tensors else None for name in names]


def values(tensors: Tensors, names: list[str]) -> list[list[str] | None]:
    """Results, written out in the order of some names; a missing one is null."""
    return [numbers(tensors[name]) if name in tensors else None for name in names]


def numbers(array: np.ndarray) -> list[str]:
    return [text(float(value)) for value in np.asarray(array).reshape(-1)]


def norm_order(norm_type: float) -> str:
    return "inf" if norm_type == np.inf else "%g" % norm_type


def clipping_object(thresholds: dict[str, float], norm_type: float) -> dict:
    names = {"value": "value", "norm": "norm", "global": "globalNorm"}
    limits = {names[kind]: text(float(threshold)) for kind, threshold in thresholds.items()}
    return {"normType": norm_order(norm_type), **limits}
