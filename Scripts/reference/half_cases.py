"""The cases of compare_half.py, and their exact results."""

import json
from dataclasses import dataclass

STEPS = 1000
LEARNING_RATE = 1e-3
MOMENTUM = 0.9
GRADIENT = 0.01

# 0.01 in the two types.
BF16 = 0.010009765625
F16 = 0.01000213623046875


@dataclass(frozen=True)
class Case:
    name: str
    words: str
    exact: float
    # How far this library may be off: of norms a rounding of Double, of elements one of the type.
    tolerance: float = 1e-14
    # The ways of this library that lose updates, and say so.
    lossy: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gradient:
    """Equal tensors of equal elements."""

    dtype: str
    tensors: int
    count: int
    value: float

    @property
    def norm(self) -> float:
        return self.value * (self.tensors * self.count) ** 0.5


GRADIENTS = {
    "bf16-norm": Gradient("bf16", 1000, 100_000, BF16),
    "f16-norm": Gradient("f16", 1000, 100_000, F16),
    "f16-large-norm": Gradient("f16", 100, 2_000_000, 10.0),
}


def exact_end() -> float:
    """Where the parameter is after all steps."""
    parameter, velocity = 1.0, 0.0
    for _ in range(STEPS):
        velocity = MOMENTUM * velocity + GRADIENT
        parameter -= LEARNING_RATE * velocity
    return parameter


CASES = [
    Case("bf16-norm", "norm of 1000 tensors of 100 000 x 0.01 in BFloat16", GRADIENTS["bf16-norm"].norm),
    Case("f16-norm", "the same in Float16", GRADIENTS["f16-norm"].norm),
    Case("f16-large-norm", "norm of 100 tensors of 2 000 000 x 10 in Float16", GRADIENTS["f16-large-norm"].norm),
    Case(
        "f16-clipped",
        "an element of these, clipped by global norm to 100",
        10.0 * 100 / GRADIENTS["f16-large-norm"].norm,
        tolerance=2**-11,
    ),
    Case(
        "bf16-steps",
        "a parameter of BFloat16 after 1000 steps from 1",
        exact_end(),
        tolerance=3e-3,
        lossy=("to nearest",),
    ),
]


def show(version: str, cases: dict[str, dict[str, float]]) -> None:
    """The results of one program, for compare_half.py: for each case those of each way that the program has."""
    assert list(cases) == [case.name for case in CASES]
    print(json.dumps({"version": version, "cases": cases}))
