"""peers/rules-*.json: twenty steps of a peer's Muon, Lion, AdamW and Signum, to the parameters after the last."""

import numpy as np

from exact import text
from peer_inputs import Recipes, scalar_name, values
from rule_bounds import bfloat16_bound, undecided
from rule_trials import KINDS, RUNS, random_rule_trial

SEED = 0x5EED
# Small: each tensor is written out as a result.
SHAPES = [(1, 7), (5, 5), (12, 20), (23, 7), (24, 24)], [(1,), (17,), (4, 3, 5)]
MATRIX_TRIALS, VECTOR_TRIALS = 6, 4


def cases(peer):
    name = {"pytorch": "torch"}.get(peer.CONVENTION, peer.CONVENTION)
    result = []
    for place, kind in enumerate(KINDS[name]):
        number, wanted = 0, len(result) + (MATRIX_TRIALS if kind.startswith("muon") else VECTOR_TRIALS)
        while len(result) < wanted:
            recipes = Recipes()
            trial = random_rule_trial(np.random.default_rng([SEED, place, number]), name, kind, recipes, SHAPES)
            if not any(undecided(trial, tensor).any() for tensor in trial.parameters):
                result.append(case(f"{kind} {number}", peer.CONVENTION, trial, recipes))
            number += 1
    return result


def case(name, convention, trial, recipes):
    names = list(trial.parameters)
    return {
        "name": name,
        "kind": trial.kind,
        "scalar": scalar_name(trial.dtype),
        "convention": convention,
        "rule": trial.rule,
        "shapes": [list(tensor.shape) for tensor in trial.parameters.values()],
        "parameters": recipes.written(trial.parameters, names),
        "phases": [
            {"steps": phase.steps, "gradients": recipes.written(phase.gradients, names)} for phase in trial.phases
        ],
        "expected": values(RUNS[trial.peer](trial), names),
        **({"rounding": [text(bfloat16_bound(trial, tensor)) for tensor in names]} if trial.in_bfloat16 else {}),
    }


ORIGIN = (
    "Parameters after twenty steps of the peer's own rule, in phases of constant gradients. rounding is how far, in the "
    "Frobenius norm, a peer's products of matrices in bfloat16 may take a tensor from the exact steps, to first order."
)
