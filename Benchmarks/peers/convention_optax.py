"""Optax's numbers, on JAX."""

import jax
import numpy as np
import optax

from trials import Abilities, Tensors, Trial

jax.config.update("jax_enable_x64", True)

CONVENTION = "optax"
# `maximize` is a flip of the gradient's sign at its place in the chain.
ABILITIES = Abilities(
    maximize=True,
    nesterov_alone=True,
    clippings=((), ("global",), ("value",), ("value", "global")),
)


def run(trial: Trial) -> tuple[Tensors, Tensors]:
    links = []
    if "value" in trial.thresholds:
        links.append(optax.clip(trial.thresholds["value"]))
    if "global" in trial.thresholds:
        links.append(optax.clip_by_global_norm(trial.thresholds["global"]))
    if trial.maximize:
        links.append(optax.scale(-1.0))
    if trial.weight_decay:
        links.append(optax.add_decayed_weights(trial.weight_decay))
    links.append(optax.sgd(trial.learning_rate, momentum=trial.momentum, nesterov=trial.nesterov))
    rule = optax.chain(*links)
    tensors = jax.tree.map(jax.numpy.asarray, trial.parameters)
    gradients = jax.tree.map(jax.numpy.asarray, trial.gradients)
    state = rule.init(tensors)
    for _ in range(trial.steps):
        updates, state = rule.update(gradients, state, tensors)
        tensors = optax.apply_updates(tensors, updates)
    velocity = optax.tree.get(state, "trace") if trial.momentum else {}
    return jax.tree.map(np.asarray, tensors), jax.tree.map(np.asarray, velocity)
