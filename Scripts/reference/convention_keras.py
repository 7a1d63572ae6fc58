"""Keras's numbers, on TensorFlow."""

import os
import warnings

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

from trials import Abilities, Averaging, State, Tensors, Trial

CONVENTION = "keras"
PACKAGES = ("keras", "tensorflow")
ABILITIES = Abilities(
    missing_gradients=True,
    largest_momentum=1.0,
    nesterov_alone=True,
    clippings=((), ("global",), ("value",), ("norm",)),
    averagings=(Averaging(0.9), Averaging(0.9, overwrite_every=3)),
    float_options=True,
)
# A variable without a gradient is part of the trial, not a mistake.
warnings.filterwarnings("ignore", message="Gradients do not exist for variables")

NAMES = {"global": "global_clipnorm", "value": "clipvalue", "norm": "clipnorm"}


def run(trial: Trial) -> list[State]:
    """The state after each phase."""
    variables = {name: keras.Variable(p, dtype=p.dtype.name) for name, p in trial.parameters.items()}
    rule = keras.optimizers.SGD(
        trial.phases[0].learning_rate,
        momentum=trial.phases[0].momentum,
        nesterov=trial.nesterov,
        weight_decay=trial.weight_decay or None,
        **clip_arguments(trial.thresholds),
        **average_arguments(trial.averaging),
    )
    rule.build(list(variables.values()))
    states = []
    for phase in trial.phases:
        rule.learning_rate, rule.momentum = phase.learning_rate, phase.momentum
        gradients = [tf.constant(phase.gradients[name]) if name in phase.gradients else None for name in variables]
        for _ in range(phase.steps):
            rule.apply(gradients, list(variables.values()))
        kept = dict(zip(variables, rule.momentums if trial.uses_momentum else [], strict=False))
        averages = dict(zip(variables, rule._model_variables_moving_average, strict=True)) if trial.averaging else {}
        states.append(State(arrays(variables), arrays(kept), arrays(averages)))
    return states


def arrays(variables: dict[str, keras.Variable]) -> Tensors:
    return {name: np.array(variable.numpy()) for name, variable in variables.items()}


def average_arguments(averaging: Averaging | None) -> dict[str, object]:
    if averaging is None:
        return {}
    overwrite = averaging.overwrite_every
    return {"use_ema": True, "ema_momentum": averaging.decay, "ema_overwrite_frequency": overwrite}


def clip(gradients: Tensors, thresholds: dict[str, float], norm_type: float) -> tuple[Tensors, float | None]:
    """The clipped gradients, and TensorFlow's norm of all: a step of 1 down from zero is the gradient itself."""
    variables = {name: keras.Variable(np.zeros_like(g), dtype=g.dtype.name) for name, g in gradients.items()}
    constants = [tf.constant(gradient) for gradient in gradients.values()]
    keras.optimizers.SGD(1.0, **clip_arguments(thresholds)).apply(constants, list(variables.values()))
    returned = float(tf.linalg.global_norm(constants)) if "global" in thresholds else None
    return {name: -variable.numpy() for name, variable in variables.items()}, returned


def clip_arguments(thresholds: dict[str, float]) -> dict[str, float]:
    return {NAMES[kind]: threshold for kind, threshold in thresholds.items()}


def tensorflow_clip(gradients: Tensors, thresholds: dict[str, float], norm_type: float) -> tuple[Tensors, float | None]:
    """The same by TensorFlow's operations, which have rules of their own for limits that are not positive."""
    tensors = {name: tf.constant(gradient) for name, gradient in gradients.items()}
    ((kind, threshold),) = thresholds.items()
    returned = None
    if kind == "value":
        tensors = {name: tf.clip_by_value(tensor, -threshold, threshold) for name, tensor in tensors.items()}
    elif kind == "norm":
        tensors = {name: tf.clip_by_norm(tensor, threshold) for name, tensor in tensors.items()}
    else:
        clipped, norm = tf.clip_by_global_norm(list(tensors.values()), threshold)
        tensors, returned = dict(zip(tensors, clipped, strict=True)), float(norm)
    return {name: tensor.numpy() for name, tensor in tensors.items()}, returned


OTHER_CLIPS = {"TensorFlow": tensorflow_clip}
