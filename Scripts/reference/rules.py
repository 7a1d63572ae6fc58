"""Clipping and the momentum step in exact arithmetic: the equations, none of the roundings.

Finite values are Fractions. A clipping result that is not finite is a Python float.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import inf, isfinite, isnan, nan

from exact import floor_log2, round_to_multiple
from norms import norm, rational_norm

EPSILON = Fraction(1e-6)  # the Double that PyTorch and MLX add to the norm
WORK_BITS = 512


@dataclass
class Clipping:
    value: tuple | None = None  # (low, high), floats
    norm: float | None = None
    global_norm: float | None = None
    norm_type: str = "2"
    convention: str = "native"


@dataclass
class Clipped:
    tensors: list
    total: object
    compared: object
    coefficient: object
    tensor_coefficients: list
    value_clipped: int
    nans: int
    infinities: int


def coefficient(measured, threshold, convention, whole_set):
    """The factor for one norm: a Fraction, or nan; 0 where a peer multiplies by C / inf."""
    if threshold == inf:
        return Fraction(1)
    if convention == "keras" and threshold == 0:
        return Fraction(1)
    if convention in ("optax", "mlx") and not whole_set:
        convention = "native"
    if isinstance(measured, float):
        if isnan(measured) or convention == "native" or (convention == "keras" and whole_set):
            return nan
        return Fraction(0)
    limit = Fraction(threshold)
    if measured == 0:
        return Fraction(1)
    if convention == "pytorch":
        return min(Fraction(1), limit / (measured + EPSILON))
    if convention == "mlx":
        return Fraction(1) if measured < limit else limit / (measured + EPSILON)
    return Fraction(1) if measured <= limit else limit / measured


def scaled(factor, value):
    if isinstance(factor, float) or isinstance(value, float):
        # 0 * inf is nan, as in IEEE 754; a coefficient of exactly 1 writes nothing.
        return value if factor == 1 else float(factor) * float(value) if factor else nan
    return factor * value


def measure(tensors, order):
    values = [value for tensor in tensors for value in tensor]
    if any(isinstance(value, float) for value in values):
        return nan if any(isinstance(value, float) and isnan(value) for value in values) else inf
    return rational_norm(values, order)


def clip(tensors, settings):
    """Value, then norm per tensor, then global norm, whatever is set."""
    flat = [value for tensor in tensors for value in tensor]
    current = [[Fraction(v) if isfinite(v) else v for v in tensor] for tensor in tensors]
    total = norm(flat, settings.norm_type)
    value_clipped = 0
    if settings.value:
        low, high = settings.value
        for tensor in current:
            for index, value in enumerate(tensor):
                bound = value if isinstance(value, float) and isnan(value) else min(max(value, low), high)
                if isinstance(bound, float) and isfinite(bound):
                    bound = Fraction(bound)
                value_clipped += bound != value and bound == bound
                tensor[index] = bound
    factors = [Fraction(1)] * len(current)
    if settings.norm is not None:
        factors = [
            coefficient(measure([tensor], settings.norm_type), settings.norm, settings.convention, False)
            for tensor in current
        ]
        current = [[scaled(factor, value) for value in tensor] for factor, tensor in zip(factors, current)]
    compared = measure(current, settings.norm_type) if settings.value or settings.norm is not None else total
    factor = Fraction(1)
    if settings.global_norm is not None:
        factor = coefficient(compared, settings.global_norm, settings.convention, True)
        current = [[scaled(factor, value) for value in tensor] for tensor in current]
    return Clipped(
        tensors=current,
        total=total,
        compared=compared,
        coefficient=factor,
        tensor_coefficients=factors,
        value_clipped=value_clipped,
        nans=sum(isnan(value) for value in flat),
        infinities=sum(not isfinite(value) and not isnan(value) for value in flat),
    )


@dataclass
class Rule:
    convention: str = "native"
    momentum: float = 0.0
    dampening: float = 0.0
    weight_decay: float = 0.0
    decoupled: bool = False
    nesterov: bool = False
    maximize: bool = False


def cut(value):
    """A Fraction kept to WORK_BITS bits, so that long sequences stay small."""
    if value == 0:
        return value
    return round_to_multiple(value, floor_log2(abs(value)) - WORK_BITS)


@dataclass
class State:
    """Parameters and velocity, and for both a majorant: the same recursion with every term made positive."""

    parameters: list
    velocity: list = field(default_factory=list)
    parameter_sizes: list = field(default_factory=list)
    velocity_sizes: list = field(default_factory=list)
    steps: int = 0

    def __post_init__(self):
        self.velocity = [Fraction(0)] * len(self.parameters)
        self.velocity_sizes = [Fraction(0)] * len(self.parameters)
        self.parameter_sizes = [abs(p) for p in self.parameters]

    def step(self, gradients, rule, learning_rate, momentum):
        """One step with clipped gradients (flat, Fractions)."""
        first = self.steps == 0
        rate, mu, tau, decay = map(Fraction, (learning_rate, momentum, rule.dampening, rule.weight_decay))
        for i, g in enumerate(gradients):
            self.one(i, -g if rule.maximize else g, rule, rate, mu, tau, decay, first)
        self.steps += 1

    def one(self, i, g, rule, rate, mu, tau, decay, first):
        p, v = self.parameters[i], self.velocity[i]
        ps, vs, gs = self.parameter_sizes[i], self.velocity_sizes[i], abs(g)
        old, old_size = p, ps
        if decay and not rule.decoupled:
            g, gs = g + decay * p, gs + decay * ps
        if mu == 0:
            move, size = rate * g, rate * gs
        elif rule.convention == "keras":
            v, vs = mu * v - rate * g, mu * vs + rate * gs
            move, size = (rate * g - mu * v, rate * gs + mu * vs) if rule.nesterov else (-v, vs)
        else:
            damped = 1 if rule.convention == "pytorch" and first else 1 - tau
            v, vs = mu * v + damped * g, mu * vs + damped * gs
            move, size = (rate * (g + mu * v), rate * (gs + mu * vs)) if rule.nesterov else (rate * v, rate * vs)
        if decay and rule.decoupled:
            p, ps = p - rate * decay * old, ps + rate * decay * old_size
        self.parameters[i], self.velocity[i] = cut(p - move), cut(v)
        self.parameter_sizes[i], self.velocity_sizes[i] = cut(ps + size), cut(vs)
