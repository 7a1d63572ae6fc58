"""Random trials: tensors, options of the rule, clipping and phases of steps, within what a peer can be asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import fsum

import numpy as np

Tensors = dict[str, np.ndarray]
Layout = list[tuple[int, ...]]
# Makes a tensor from a generator, a shape, the size of its elements and a type.
Draw = Callable[[np.random.Generator, tuple[int, ...], float, type], np.ndarray]
LONGEST_RUN = 100
MOST_PHASES = 4
# Few of them, and the same for all trials: JAX and TensorFlow compile anew for every shape.
LAYOUTS: list[Layout] = [
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
class Averaging:
    """Of the parameters, after each step."""

    # Of an exponential average; the plain mean has none.
    decay: float | None
    # After how many steps, again and again, the parameters are set to their average.
    overwrite_every: int | None = None


@dataclass(frozen=True)
class Abilities:
    """What can be asked of a peer."""

    dampening: bool = False
    maximize: bool = False
    missing_gradients: bool = False
    largest_momentum: float = 1.1
    # Nesterov without momentum is an error there and plain descent elsewhere.
    nesterov_alone: bool = False
    # Steps without momentum leave the velocity as it is, so that it may be turned off for a while.
    momentum_pauses: bool = False
    clippings: tuple[tuple[str, ...], ...] = ((), ("global",))
    norm_types: tuple[float, ...] = (2.0,)
    # The forms of averages it has; their numbers are drawn anew.
    averagings: tuple[Averaging, ...] = ()
    # Keeps learning rate, momentum or weight decay in Float even where the parameters are Double: then only numbers
    # that Float represents mean the same to both.
    float_options: bool = False


@dataclass
class Phase:
    """Some steps with the same gradients, learning rate and momentum."""

    steps: int
    learning_rate: float
    momentum: float
    gradients: Tensors


@dataclass
class Trial:
    parameters: Tensors
    phases: list[Phase]
    dampening: float
    weight_decay: float
    nesterov: bool
    maximize: bool
    norm_type: float
    # Thresholds by the kind of clipping: value, norm, global.
    thresholds: dict[str, float] = field(default_factory=dict)
    averaging: Averaging | None = None

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    @property
    def uses_momentum(self) -> bool:
        return any(phase.momentum > 0 for phase in self.phases)

    @property
    def dtype(self) -> np.dtype:
        return self.parameters["t0"].dtype

    def step_by_step(self) -> "Trial":
        """The same steps, each as a phase of its own."""
        return replace(self, phases=[replace(phase, steps=1) for phase in self.phases for _ in range(phase.steps)])

    def norm(self, phase: Phase) -> float:
        """The norm of a phase's gradients before clipping, in Double."""
        return norm(list(phase.gradients.values()), self.norm_type)


@dataclass(frozen=True)
class State:
    """Parameters, the velocity of the tensors that have one, and the average where the trial asks for it."""

    parameters: Tensors
    velocity: Tensors
    average: Tensors = field(default_factory=dict)


def norm(tensors: list[np.ndarray], norm_type: float) -> float:
    """In Double, from powers added without error."""
    flat = np.concatenate([np.zeros(0), *(np.abs(tensor.reshape(-1).astype(np.float64)) for tensor in tensors)])
    if norm_type == np.inf:
        return float(flat.max(initial=0.0))
    return fsum(flat if norm_type == 1 else flat**norm_type) ** (1 / norm_type)


def normal(generator: np.random.Generator, shape: tuple[int, ...], scale: float, dtype: type) -> np.ndarray:
    return np.asarray(generator.standard_normal(shape) * scale, dtype=dtype)


class Dice:
    """A generator with the two questions that a trial asks most."""

    def __init__(self, generator: np.random.Generator):
        self.generator = generator

    def chance(self, probability: float) -> bool:
        return bool(self.generator.random() < probability)

    def power(self, low: float, high: float) -> float:
        """A power of ten with an exponent from low to high."""
        return float(10 ** self.generator.uniform(low, high))


def random_trial(
    generator: np.random.Generator,
    can: Abilities,
    draw: Draw = normal,
    layouts: tuple[list[Layout], list[Layout]] = (LAYOUTS, SHORT_LAYOUTS),
) -> Trial:
    """A trial; of layouts the second list is for norms other than 2 and infinity."""
    dice = Dice(generator)
    dtype = np.float64 if dice.chance(0.5) else np.float32
    norm_type = float(generator.choice(can.norm_types))
    possible = layouts[0] if norm_type in (2.0, np.inf) else layouts[1]
    shapes = possible[generator.integers(len(possible))]
    parameters = {f"t{i}": draw(generator, shape, dice.power(-2, 1), dtype) for i, shape in enumerate(shapes)}

    def option(number: float) -> float:
        return float(np.float32(number)) if can.float_options else number

    with_momentum = dice.chance(0.85)
    nesterov = dice.chance(0.3) and (with_momentum or can.nesterov_alone)
    pauses = can.momentum_pauses and with_momentum and not nesterov and dice.chance(0.2)
    scale = dice.power(-3, 3)
    phases = []
    for steps in parts(generator, max(1, int(dice.power(0, np.log10(LONGEST_RUN + 1))))):
        momentum = 0.0
        if with_momentum and not (pauses and dice.chance(0.4)):
            momentum = 1.0 if dice.chance(0.05) else float(generator.uniform(1e-3, can.largest_momentum))
        phases.append(
            Phase(
                steps=steps,
                learning_rate=option(dice.power(-4, 0)),
                momentum=option(momentum),
                gradients=random_gradients(dice, parameters, can, draw, scale),
            )
        )

    trial = Trial(
        parameters=parameters,
        phases=phases,
        dampening=float(generator.uniform(0, 1)) if can.dampening and not nesterov and dice.chance(0.4) else 0.0,
        weight_decay=option(dice.power(-4, -1)) if dice.chance(0.4) else 0.0,
        nesterov=nesterov,
        maximize=can.maximize and dice.chance(0.3),
        norm_type=norm_type,
    )
    for kind in can.clippings[generator.integers(len(can.clippings))]:
        trial.thresholds[kind] = typical(trial, kind) * dice.power(-2, 1)
    return trial


def parts(generator: np.random.Generator, total: int) -> list[int]:
    """Splits some steps into phases."""
    count = int(generator.integers(1, min(MOST_PHASES, total) + 1))
    cuts = sorted(generator.choice(np.arange(1, total), count - 1, replace=False).tolist()) if count > 1 else []
    return [end - start for start, end in zip([0, *cuts], [*cuts, total], strict=True)]


def random_gradients(dice: Dice, parameters: Tensors, can: Abilities, draw: Draw, scale: float) -> Tensors:
    gradients = {}
    for name, p in parameters.items():
        # The first one stays: a peer that is given no gradient at all takes it for a mistake.
        if can.missing_gradients and name != "t0" and dice.chance(0.1):
            continue
        gradients[name] = draw(dice.generator, p.shape, scale * dice.power(-1, 1), p.dtype.type)
        if dice.chance(0.1):
            gradients[name] = draw(dice.generator, p.shape, 0.0, p.dtype.type)
    return gradients


def typical(trial: Trial, kind: str) -> float:
    """A threshold that lies among the values it is compared with; 1 if those are all zero."""
    gradients = list(trial.phases[0].gradients.values())
    if kind == "value":
        return norm(gradients, np.inf) or 1.0
    if kind == "norm":
        return norm(gradients[:1], trial.norm_type) or 1.0
    return norm(gradients, trial.norm_type) or 1.0
