"""The steps that are compared: the gradient is clipped by its global norm, then SGD with momentum moves the parameters.

    c = min(1, C / norm(gradient));   g = c * gradient + weight_decay * p
    v = momentum * v + g;             p = p - learning_rate * (v, or with Nesterov momentum g + momentum * v)

The same gradient comes back in every step, so that the state after k steps has a closed form in Double.
"""

from dataclasses import dataclass

LEARNING_RATE = 0.1
MOMENTUM = 0.9
MAX_NORM = 1.0
# Added to the norm before dividing, as PyTorch does. Workers that scale the gradient in memory need it: without it
# their second step would find a norm of exactly 1 and have nothing left to scale.
EPSILON = 1e-6


@dataclass(frozen=True)
class Step:
    nesterov: bool = False
    weight_decay: float = 0.0

    @property
    def title(self) -> str:
        momentum = f"{'Nesterov ' if self.nesterov else ''}momentum {MOMENTUM}"
        decay = f", weight decay {self.weight_decay}" if self.weight_decay else ""
        return f"clip by global norm to {MAX_NORM:g}, {momentum}{decay}, Float"

    def way(self, steps: int) -> tuple[float, float]:
        """How far steps lead, if each clips the gradient alike: as a multiple of the first parameters, and as one of
        learning rate times clipped gradient.

        Parameters and velocity are sums of these two, and every step is linear in them.
        """
        parameters, velocity = [1.0, 0.0], [0.0, 0.0]
        for _ in range(steps):
            gradient = [self.weight_decay * parameters[0], 1 / LEARNING_RATE + self.weight_decay * parameters[1]]
            velocity = [MOMENTUM * v + g for v, g in zip(velocity, gradient)]
            update = [g + MOMENTUM * v for v, g in zip(velocity, gradient)] if self.nesterov else velocity
            parameters = [p - LEARNING_RATE * u for p, u in zip(parameters, update)]
        return parameters[0] - 1, -parameters[1]


STEPS = {"plain": Step(), "nesterov-decay": Step(nesterov=True, weight_decay=0.01)}
