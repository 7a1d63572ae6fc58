"""Optax's numbers, on JAX."""

import jax
import numpy as np
import optax

from trials import Abilities, State, Tensors, Trial

jax.config.update("jax_enable_x64", True)

CONVENTION = "optax"
PACKAGES = ("optax", "jax")
# `maximize` is a flip of the gradient's sign at its place in the chain.
ABILITIES = Abilities(
    maximize=True,
    nesterov_alone=True,
    clippings=((), ("global",), ("value",), ("value", "global")),
)


def run(trial: Trial) -> list[State]:
    """The state after each phase."""
    tensors = jax.tree.map(jax.numpy.asarray, trial.parameters)
    state, states = None, []
    for phase in trial.phases:
        links = clip_links(trial.thresholds)
        if trial.maximize:
            links.append(optax.scale(-1.0))
        if trial.weight_decay:
            links.append(optax.add_decayed_weights(trial.weight_decay))
        links.append(optax.sgd(phase.learning_rate, momentum=phase.momentum, nesterov=trial.nesterov))
        # The next phase's chain has the same form, and goes on with the state of the last.
        rule = optax.chain(*links)
        if state is None:
            state = rule.init(tensors)
        gradients = jax.tree.map(jax.numpy.asarray, phase.gradients)
        for _ in range(phase.steps):
            updates, state = rule.update(gradients, state, tensors)
            tensors = optax.apply_updates(tensors, updates)
        velocity = optax.tree.get(state, "trace") if trial.uses_momentum else {}
        states.append(State(jax.tree.map(np.asarray, tensors), jax.tree.map(np.asarray, velocity)))
    return states


def clip(gradients: Tensors, thresholds: dict[str, float], norm_type: float) -> tuple[Tensors, float | None]:
    """The clipped gradients, and Optax's norm of what the global clip was given."""
    tensors = jax.tree.map(jax.numpy.asarray, gradients)
    returned = None
    for kind, link in zip(thresholds, clip_links(thresholds), strict=True):
        if kind == "global":
            returned = float(optax.tree.norm(tensors))
        tensors, _ = link.update(tensors, link.init(tensors))
    return jax.tree.map(np.asarray, tensors), returned


def clip_links(thresholds: dict[str, float]) -> list[optax.GradientTransformation]:
    """In the order of the thresholds: by value comes before by the norm of all."""
    links = {"value": optax.clip, "global": optax.clip_by_global_norm}
    return [links[kind](threshold) for kind, threshold in thresholds.items()]
