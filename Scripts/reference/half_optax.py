"""Optax's results in half precision, on JAX."""

from importlib.metadata import version

import jax.numpy as jnp
import optax

from half_cases import GRADIENT, GRADIENTS, LEARNING_RATE, MOMENTUM, STEPS, show

DTYPES = {"bf16": jnp.bfloat16, "f16": jnp.float16}


def tensors(name: str) -> list[jnp.ndarray]:
    # Arrays do not change, so one stands for all.
    case = GRADIENTS[name]
    return [jnp.full((case.count,), case.value, dtype=DTYPES[case.dtype])] * case.tensors


def norm(name: str) -> float:
    return float(optax.tree.norm(tensors(name)))


def clipped(name: str) -> float:
    gradient = tensors(name)
    rule = optax.clip_by_global_norm(100.0)
    updates, _ = rule.update(gradient, rule.init(gradient))
    return float(updates[0][0])


def stepped(accumulator: jnp.dtype | None) -> float:
    parameter = jnp.ones(8, dtype=jnp.bfloat16)
    gradient = jnp.full_like(parameter, GRADIENT)
    rule = optax.sgd(LEARNING_RATE, momentum=MOMENTUM, accumulator_dtype=accumulator)
    state = rule.init(parameter)
    for _ in range(STEPS):
        updates, state = rule.update(gradient, state, parameter)
        parameter = optax.apply_updates(parameter, updates)
    return float(parameter[0])


show(
    f"Optax {version('optax')} on JAX {version('jax')}",
    {
        **{name: {"norm": norm(name)} for name in GRADIENTS},
        "f16-clipped": {"clip": clipped("f16-large-norm")},
        "bf16-steps": {"BFloat16 velocity": stepped(None), "Float velocity": stepped(jnp.float32)},
    },
)
