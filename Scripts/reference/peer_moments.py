"""moments/peers.json: runs of Lion, AdamW and Muon by Optax, Keras and MLX, in Double.

The cases are random; the same number of cases is the same file.
"""

import json
import os

os.environ["KERAS_BACKEND"] = "jax"

import jax

jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
import keras
import mlx.core as mx
import mlx.optimizers
import numpy as np
import optax

from files import replace

keras.backend.set_floatx("float64")
mx.set_default_device(mx.cpu)
random = np.random.default_rng(20250202)


def numbers(shape):
    # Four digits keep the file short; doubles all the same.
    return np.round(random.normal(size=shape) * 10.0 ** random.integers(-2, 3), 4)


def choice(*values):
    return values[random.integers(len(values))]


def flat(x):
    return [float(v) for v in np.asarray(x).reshape(-1)]


def lion_settings():
    return dict(learningRate=choice(1e-3, 0.1), beta1=choice(0.5, 0.9), beta2=choice(0.5, 0.99),
                weightDecay=choice(0.0, 0.1))  # fmt: skip


def adamw_settings():
    return dict(learningRate=choice(1e-3, 0.1), beta1=choice(0.5, 0.9), beta2=choice(0.5, 0.999),
                epsilon=choice(1e-8, 1e-3), weightDecay=choice(0.0, 0.1))  # fmt: skip


def muon_settings():
    return dict(learningRate=choice(1e-3, 0.1), momentum=choice(0.5, 0.95), nesterov=bool(random.integers(2)),
                weightDecay=choice(0.0, 0.1))  # fmt: skip


SETTINGS = dict(lion=lion_settings, adamw=adamw_settings, muon=muon_settings)


def by_optax(kind, s, start, gradients):
    if kind == "muon":
        rule = optax.contrib.muon(s["learningRate"], beta=s["momentum"], nesterov=s["nesterov"],
                                  weight_decay=s["weightDecay"])  # fmt: skip
    else:
        make = optax.lion if kind == "lion" else optax.adamw
        rule = make(s["learningRate"], b1=s["beta1"], b2=s["beta2"], weight_decay=s["weightDecay"],
                    **({"eps": s["epsilon"]} if kind == "adamw" else {}))  # fmt: skip
    p = jnp.asarray(start)
    state = rule.init(p)
    for g in gradients:
        update, state = rule.update(jnp.asarray(g), state, p)
        p = optax.apply_updates(p, update)
    return p


def by_keras(kind, s, start, gradients):
    if kind == "muon":
        rule = keras.optimizers.Muon(learning_rate=s["learningRate"], momentum=s["momentum"], nesterov=s["nesterov"],
                                     weight_decay=s["weightDecay"])  # fmt: skip
    else:
        make = keras.optimizers.Lion if kind == "lion" else keras.optimizers.AdamW
        rule = make(learning_rate=s["learningRate"], beta_1=s["beta1"], beta_2=s["beta2"],
                    weight_decay=s["weightDecay"],
                    **({"epsilon": s["epsilon"]} if kind == "adamw" else {}))  # fmt: skip
    p = keras.Variable(start, dtype="float64")
    for g in gradients:
        rule.apply([jnp.asarray(g)], [p])
    return p.numpy()


def by_mlx(kind, s, start, gradients):
    if kind == "muon":
        rule = mlx.optimizers.Muon(s["learningRate"], s["momentum"], s["weightDecay"], s["nesterov"])
    elif kind == "lion":
        rule = mlx.optimizers.Lion(s["learningRate"], [s["beta1"], s["beta2"]], s["weightDecay"])
    else:
        betas = [s["beta1"], s["beta2"]]
        corrects = {"bias_correction": s["biasCorrection"]}
        rule = mlx.optimizers.AdamW(s["learningRate"], betas, s["epsilon"], s["weightDecay"], **corrects)
    model = {"p": mx.array(start, mx.float64)}
    for g in gradients:
        model = rule.apply_gradients({"p": mx.array(g, mx.float64)}, model)
    mx.eval(model)
    return np.array(model["p"])


PEERS = dict(optax=by_optax, keras=by_keras, mlx=by_mlx)


def case(peer, kind):
    ranks = (2, 3) if kind == "muon" else (1, 4)
    shape = [int(n) for n in random.integers(1, 7 if kind == "muon" else 5, size=random.integers(*ranks))]
    settings = SETTINGS[kind]()
    if peer == "mlx" and kind == "adamw":
        settings["biasCorrection"] = bool(random.integers(2))
    start = numbers(shape)
    gradients = [numbers(shape) for _ in range(int(random.integers(1, 9)))]
    result = PEERS[peer](kind, settings, start, gradients)
    return dict(rule=dict(kind=kind, **settings), convention=peer, shape=shape, parameters=flat(start),
                gradients=[v for g in gradients for v in flat(g)], result=flat(result))  # fmt: skip


def write(path, count):
    """So many cases of each rule by each peer."""
    versions = dict(jax=jax.__version__, optax=optax.__version__, keras=keras.__version__, mlx=mx.__version__)
    cases = ",\n".join(
        "    " + json.dumps(case(peer, kind), separators=(",", ":"))
        for peer in PEERS for kind in SETTINGS for _ in range(count))  # fmt: skip
    replace(path, f'{{\n  "libraries": {json.dumps(versions)},\n  "cases": [\n{cases}\n  ]\n}}\n')
