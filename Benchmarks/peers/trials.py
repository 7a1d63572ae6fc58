"""Random trials: tensors, options of the rule, clipping and a number of steps, within what a peer can be asked for."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

Tensors = dict[str, np.ndarray]
LONGEST_RUN = 20
# Few of them, and the same for all trials: JAX and TensorFlow compile anew for every shape.
LAYOUTS: list[list[tuple[int, ...]]] = [
    [(1,)],
    [(), (3,)],
    [(5, 0), (100,)],
    [(257,), (16, 33)],
    [(1000,)],
    [(64, 3, 7, 7), (64,), (64,)],
    [(2, 3, 4, 5), (8193,), (31, 32), (7,)],
]
# For norms other than 2 and infinity, whose powers PyTorch adds one after the other: over 9408 Doubles that its value
# clip had made equal, its 2.5-norm was off by 217 units in the last place.
SHORT_LAYOUTS = LAYOUTS[:3]


@dataclass(frozen=True)
class Abilities:
    """What can be asked of a peer."""

    dampening: bool = False
    maximize: bool = False
    missing_gradients: bool = False
    largest_momentum: float = 1.1
    # Nesterov without momentum is an error there and plain descent elsewhere.
    nesterov_alone: bool = False
    clippings: tuple[tuple[str, ...], ...] = ((), ("global",))
    norm_types: tuple[float, ...] = (2.0,)
    # Keeps learning rate, momentum or weight decay in Float even where the parameters are Double: then only numbers
    # that Float represents mean the same to both.
    float_options: bool = False


@dataclass
class Trial:
    parameters: Tensors
    gradients: Tensors
    steps: int
    learning_rate: float
    momentum: float
    dampening: float
    weight_decay: float
    nesterov: bool
    maximize: bool
    norm_type: float
    # Thresholds by the kind of clipping: value, norm, global.
    thresholds: dict[str, float] = field(default_factory=dict)

    @cached_property
    def norm(self) -> float:
        """The norm of all gradients before clipping, in Double."""
        return norm(list(self.gradients.values()), self.norm_type)

    def arguments(self) -> list[str]:
        """The options of `momentum step`."""
        numbers = {
            "--learning-rate": self.learning_rate,
            "--momentum": self.momentum,
            "--dampening": self.dampening,
            "--weight-decay": self.weight_decay,
            "--steps": self.steps,
            "--norm-type": self.norm_type,
        }
        names = {"value": "--clip-value", "norm": "--clip-norm", "global": "--clip-global-norm"}
        numbers |= {names[kind]: threshold for kind, threshold in self.thresholds.items()}
        flags = [name for name, on in [("--nesterov", self.nesterov), ("--maximize", self.maximize)] if on]
        return [word for name, number in numbers.items() for word in (name, repr(number))] + flags


def norm(tensors: list[np.ndarray], norm_type: float) -> float:
    flat = np.concatenate([np.zeros(0), *(tensor.reshape(-1).astype(np.float64) for tensor in tensors)])
    return float(np.linalg.norm(flat, norm_type)) if flat.size else 0.0


def random_trial(generator: np.random.Generator, can: Abilities) -> Trial:
    def chance(probability: float) -> bool:
        return generator.random() < probability

    def power(low: float, high: float) -> float:
        return float(10 ** generator.uniform(low, high))

    dtype = np.float64 if chance(0.5) else np.float32
    norm_type = float(generator.choice(can.norm_types))
    layouts = LAYOUTS if norm_type in (2.0, np.inf) else SHORT_LAYOUTS
    shapes = layouts[generator.integers(len(layouts))]
    scale = power(-3, 3)
    parameters = {f"t{i}": draw(generator, shape, power(-2, 1), dtype) for i, shape in enumerate(shapes)}
    gradients = {name: draw(generator, p.shape, scale * power(-1, 1), dtype) for name, p in parameters.items()}
    for name in list(gradients):
        if chance(0.1):
            gradients[name] = np.zeros_like(gradients[name])
        # The first one stays: a peer that is given no gradient at all takes it for a mistake.
        elif can.missing_gradients and name != "t0" and chance(0.1):
            del gradients[name]

    momentum = 0.0 if chance(0.15) else 1.0 if chance(0.05) else float(generator.uniform(0, can.largest_momentum))
    nesterov = chance(0.3) and (momentum > 0 or can.nesterov_alone)
    weight_decay = power(-4, -1) if chance(0.4) else 0.0

    def option(number: float) -> float:
        return float(np.float32(number)) if can.float_options else number

    trial = Trial(
        parameters=parameters,
        gradients=gradients,
        steps=int(generator.integers(1, LONGEST_RUN + 1)),
        learning_rate=option(power(-4, 0)),
        momentum=option(momentum),
        dampening=float(generator.uniform(0, 1)) if can.dampening and not nesterov and chance(0.4) else 0.0,
        weight_decay=option(weight_decay),
        nesterov=nesterov,
        maximize=can.maximize and chance(0.3),
        norm_type=norm_type,
    )
    for kind in can.clippings[generator.integers(len(can.clippings))]:
        trial.thresholds[kind] = typical(trial, kind) * power(-2, 1)
    return trial


def draw(generator: np.random.Generator, shape: tuple[int, ...], scale: float, dtype: type) -> np.ndarray:
    return np.asarray(generator.standard_normal(shape) * scale, dtype=dtype)


def typical(trial: Trial, kind: str) -> float:
    """A threshold that lies among the values it is compared with; 1 if those are all zero."""
    gradients = list(trial.gradients.values())
    if kind == "value":
        return norm(gradients, np.inf) or 1.0
    if kind == "norm":
        return norm(gradients[:1], trial.norm_type) or 1.0
    return trial.norm or 1.0
