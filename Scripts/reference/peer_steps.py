"""peers/steps-*.json: runs of a peer's SGD with its clipping, to parameters and velocity after the last step."""

from fractions import Fraction

import numpy as np

from differences import left_out
from exact import round_to, text
from peer_inputs import LAYOUTS, Recipes, clipping_object, scalar_name, values
from rules import Rule, State
from trials import Phase, Trial, random_trial

SEED = 0x5EED
TRIALS = 56


def cases(peer):
    result = []
    number = 0
    while len(result) < TRIALS:
        recipes = Recipes()
        generator = np.random.default_rng([SEED, number])
        trial = random_trial(generator, peer.ABILITIES, recipes, (LAYOUTS, LAYOUTS))
        if not left_out(trial, peer):
            result.append(case(f"random {number}", peer, trial, recipes))
        number += 1
    if peer.CONVENTION == "optax":
        result += [pause(peer, dtype) for dtype in (np.float32, np.float64)]
    return result


def case(name, peer, trial, recipes, ours=None):
    state = peer.run(trial)[-1]
    names = list(trial.parameters)
    return {
        "name": name,
        "scalar": scalar_name(trial.dtype),
        "convention": peer.CONVENTION,
        "shapes": [list(tensor.shape) for tensor in trial.parameters.values()],
        "dampening": text(trial.dampening),
        "weightDecay": text(trial.weight_decay),
        "nesterov": trial.nesterov,
        "maximize": trial.maximize,
        "clipping": clipping_object(trial.thresholds, trial.norm_type),
        "parameters": recipes.written(trial.parameters, names),
        "phases": [
            {
                "steps": phase.steps,
                "learningRate": text(phase.learning_rate),
                "momentum": text(phase.momentum),
                "gradients": recipes.written(phase.gradients, names),
                "norm": text(trial.norm(phase)),
            }
            for phase in trial.phases
        ],
        "expected": {
            "parameters": values(state.parameters, names),
            "velocity": values(state.velocity, names),
            **({"average": values(state.average, names)} if state.average else {}),
        },
        **({"averaging": averaging_object(trial.averaging)} if trial.averaging else {}),
        **({"ours": ours} if ours else {}),
    }


def averaging_object(averaging):
    every = {"overwriteEvery": averaging.overwrite_every} if averaging.overwrite_every else {}
    return {**({} if averaging.decay is None else {"decay": text(averaging.decay)}), **every}


def pause(peer, dtype):
    """Momentum 0 between steps with momentum: here the velocity stays, in Optax it becomes the gradient."""
    recipes = Recipes()
    generator = np.random.default_rng([SEED, 1 << 32])
    parameters = {"t0": recipes(generator, (5,), 1.0, dtype)}
    phases = [
        Phase(2, rate, momentum, {"t0": recipes(generator, (5,), 1.0, dtype)})
        for rate, momentum in [(0.125, 0.875), (0.25, 0.0), (0.125, 0.75)]
    ]
    trial = Trial(parameters, phases, 0.0, 0.0, False, False, 2.0)
    state = State([Fraction(float(p)) for p in parameters["t0"]])
    for phase in phases:
        for _ in range(phase.steps):
            gradients = [Fraction(float(g)) for g in phase.gradients["t0"]]
            state.step(gradients, Rule(peer.CONVENTION), phase.learning_rate, phase.momentum)
    ours = {
        "reason": "a step without momentum leaves the velocity as it is; Optax's trace becomes the gradient",
        "parameters": [[text(round_to(p, "double")) for p in state.parameters]],
        "velocity": [[text(round_to(v, "double")) for v in state.velocity]],
    }
    return case("momentum 0 for a while", peer, trial, recipes, ours)


ORIGIN = (
    "Parameters and velocity after the last step of runs by the peer itself, in phases of constant gradients, learning "
    "rate and momentum. norm is that of a phase's gradients before clipping, in Double. Where ours is given, this "
    "library departs on purpose: expected is the peer's value, ours what is due here and why."
)
