"""Keras's numbers, on TensorFlow."""

import os
import warnings

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tensorflow as tf

from trials import Abilities, Tensors, Trial

CONVENTION = "keras"
ABILITIES = Abilities(
    missing_gradients=True,
    largest_momentum=1.0,
    nesterov_alone=True,
    clippings=((), ("global",), ("value",), ("norm",)),
    float_options=True,
)
# A variable without a gradient is part of the trial, not a mistake.
warnings.filterwarnings("ignore", message="Gradients do not exist for variables")

NAMES = {"global": "global_clipnorm", "value": "clipvalue", "norm": "clipnorm"}


def run(trial: Trial) -> tuple[Tensors, Tensors]:
    variables = {name: keras.Variable(p, dtype=p.dtype.name) for name, p in trial.parameters.items()}
    rule = keras.optimizers.SGD(
        trial.learning_rate,
        momentum=trial.momentum,
        nesterov=trial.nesterov,
        weight_decay=trial.weight_decay or None,
        **{NAMES[kind]: threshold for kind, threshold in trial.thresholds.items()},
    )
    rule.build(list(variables.values()))
    gradients = [tf.constant(trial.gradients[name]) if name in trial.gradients else None for name in variables]
    for _ in range(trial.steps):
        rule.apply(gradients, list(variables.values()))
    kept = zip(variables, rule.momentums if trial.momentum else [], strict=False)
    velocity = {name: buffer.numpy() for name, buffer in kept if name in trial.gradients}
    return {name: variable.numpy() for name, variable in variables.items()}, velocity
