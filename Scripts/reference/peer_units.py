"""units/peers.json: what Optax and TensorFlow compute where this library follows them unit by unit, in Double.

The cases are random; the same number of cases is the same file.
"""

import json

import jax

jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
import numpy as np
import optax
import tensorflow as tf

from files import replace

random = np.random.default_rng(20250101)


def shape(ranks=(1, 5), longest=5):
    return [int(n) for n in random.integers(1, longest, size=random.integers(*ranks))]


def numbers(shape, scale=1.0):
    # Four digits keep the file short; doubles all the same.
    return np.round(random.normal(size=shape) * scale, 4)


def flat(x):
    return [float(v) for v in np.asarray(x).reshape(-1)]


def setting(low, high):
    return float(round(random.uniform(low, high), 4))


def block_rms():
    g, t = numbers(s := shape()), setting(0.2, 2)
    out, _ = optax.clip_by_block_rms(t).update([jnp.asarray(g)], None)
    return dict(shape=s, gradient=flat(g), limit=t, result=flat(out[0]))


def adaptive():
    s = shape()
    g, p = numbers(s), numbers(s, float(random.choice([0.001, 1, 30])))
    factor, epsilon = setting(0.01, 0.5), float(random.choice([0.001, 0.1]))
    out, _ = optax.adaptive_grad_clip(factor, epsilon).update([jnp.asarray(g)], None, [jnp.asarray(p)])
    return dict(shape=s, gradient=flat(g), parameters=flat(p), limit=factor, epsilon=epsilon, result=flat(out[0]))


def lars():
    s = shape(longest=4)
    settings = dict(
        learningRate=setting(0.1, 2), momentum=float(random.choice([0, 0.5, 0.9])),
        weightDecay=float(random.choice([0, 0.1])), trustCoefficient=setting(0.01, 1),
        epsilon=float(random.choice([0, 0.001])), nesterov=bool(random.integers(2)))
    rule = optax.lars(
        settings["learningRate"], weight_decay=settings["weightDecay"], trust_coefficient=settings["trustCoefficient"],
        eps=settings["epsilon"], momentum=settings["momentum"], nesterov=settings["nesterov"])
    start = numbers(s) * random.integers(0, 2 if random.integers(4) == 0 else 1, endpoint=True)
    p = jnp.asarray(start)
    state, gradients = rule.init(p), []
    for _ in range(4):
        g = numbers(s)
        gradients += flat(g)
        update, state = rule.update(jnp.asarray(g), state, p)
        p = optax.apply_updates(p, update)
    return dict(shape=s, parameters=flat(start), gradient=gradients, rule=settings, result=flat(p))


def per_example():
    layers = [shape(ranks=(1, 3)) for _ in range(random.integers(1, 4))]
    rows, c = int(random.integers(1, 6)), setting(0.5, 4)
    grads = [numbers([rows] + s) for s in layers]
    whole = np.concatenate([g.reshape(rows, -1) for g in grads], axis=1)
    given = [jnp.asarray(g) for g in grads]
    result = dict(rows=rows, shapes=layers, gradient=flat(whole), limit=c, results=[], counts=[])
    total, count = optax.per_example_global_norm_clip(given, c)
    result["results"].append([v for t in total for v in flat(t)])
    result["counts"].append([int(count)])
    for uniform in (True, False):
        total, counts = optax.per_example_layer_norm_clip(given, c, uniform)
        result["results"].append([v for t in total for v in flat(t)])
        result["counts"].append([int(n) for n in counts])
    return result


def tensorflow_axes():
    g, c = numbers(s := shape()), setting(0.3, 3)
    axes = [int(a) for a in random.permutation(len(s))[: random.integers(1, len(s), endpoint=True)]]
    axes = [a - len(s) if random.integers(2) else a for a in axes]
    out = tf.clip_by_norm(tf.constant(g), c, axes)
    return dict(shape=s, gradient=flat(g), limit=c, axes=axes, result=flat(out.numpy()))


KINDS = dict(
    blockRMS=block_rms, adaptive=adaptive, lars=lars, perExample=per_example, tensorflowAxes=tensorflow_axes)


def write(path, count):
    """So many cases of each kind."""
    versions = dict(jax=jax.__version__, optax=optax.__version__, tensorflow=tf.__version__)
    parts = [f'  "libraries": {json.dumps(versions)}']
    for name, make in KINDS.items():
        cases = ",\n".join("    " + json.dumps(make(), separators=(",", ":")) for _ in range(count))
        parts.append(f'  "{name}": [\n{cases}\n  ]')
    replace(path, "{\n" + ",\n".join(parts) + "\n}\n")
