"""peers/averages-*.json: runs of a peer's SGD with an average of the parameters beside them."""

from dataclasses import replace

import numpy as np

import peer_steps
from peer_inputs import LAYOUTS, Recipes
from trials import random_trial

SEED = 0xA7E
TRIALS = 12


def cases(peer):
    result = []
    # Keras averages a tensor without a gradient as well, which here is left alone entirely.
    can = replace(peer.ABILITIES, missing_gradients=False, clippings=((),))
    for form in can.averagings:
        for number in range(TRIALS):
            recipes = Recipes()
            generator = np.random.default_rng([SEED, number])
            trial = random_trial(generator, can, recipes, (LAYOUTS, LAYOUTS))
            decay = float(np.float32(generator.uniform(0.5, 1))) if form.decay is not None else None
            every = int(generator.integers(1, 8)) if form.overwrite_every else None
            trial.averaging = replace(form, decay=decay, overwrite_every=every)
            kind = "mean" if decay is None else "exponential"
            name = f"{kind}{', overwriting' if every else ''}, random {number}"
            result.append(peer_steps.case(name, peer, trial, recipes))
    return result


ORIGIN = (
    "Parameters, velocity and average after the last step of runs by the peer itself: PyTorch's AveragedModel, "
    "exponential or mean (no decay), updated after each step; Keras's use_ema, with and without overwriting."
)
