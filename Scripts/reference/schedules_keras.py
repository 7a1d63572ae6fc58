"""Keras's schedules, functions of the number of steps taken."""

import keras
import numpy as np

RATE = 0.125


def schedules():
    made = keras.optimizers.schedules
    decay = {"initial": RATE, "rate": 0.5, "every": 7}
    rows = [
        ("ExponentialDecay", {"exponential": decay}, made.ExponentialDecay(RATE, 7, 0.5)),
        (
            "ExponentialDecay, staircase",
            {"step": {"initial": RATE, "factor": 0.5, "every": 7}},
            made.ExponentialDecay(RATE, 7, 0.5, staircase=True),
        ),
        ("InverseTimeDecay", {"inverseTime": decay}, made.InverseTimeDecay(RATE, 7, 0.5)),
        (
            "InverseTimeDecay, staircase",
            {"inverseTime": {**decay, "staircase": True}},
            made.InverseTimeDecay(RATE, 7, 0.5, staircase=True),
        ),
        (
            "PolynomialDecay",
            {"polynomial": {"from": RATE, "to": 0.01, "steps": 30, "power": 2}},
            made.PolynomialDecay(RATE, 30, 0.01, power=2.0),
        ),
        (
            "PolynomialDecay, power 1",
            {"linear": {"from": RATE, "to": 0.01, "steps": 30}},
            made.PolynomialDecay(RATE, 30, 0.01),
        ),
        (
            "PolynomialDecay, cycle",
            {"polynomial": {"from": RATE, "to": 0.01, "steps": 7, "power": 2, "cycles": True}},
            made.PolynomialDecay(RATE, 7, 0.01, power=2.0, cycle=True),
        ),
        (
            "CosineDecay",
            {"cosine": {"initial": RATE, "final": RATE / 8, "steps": 30}},
            made.CosineDecay(RATE, 30, alpha=0.125),
        ),
        (
            "CosineDecay, warm-up",
            {"warmup": {"from": 0.0625, "steps": 10, "then": {"cosine": {"initial": RATE, "final": 0, "steps": 30}}}},
            made.CosineDecay(0.0625, 30, warmup_target=RATE, warmup_steps=10),
        ),
        (
            "CosineDecayRestarts",
            {"cosine": {"initial": RATE, "final": RATE / 8, "steps": 7, "restartFactor": 2}},
            made.CosineDecayRestarts(RATE, 7, t_mul=2.0, m_mul=1.0, alpha=0.125),
        ),
        (
            "CosineDecayRestarts, m_mul",
            {
                "cosine": {
                    "initial": RATE,
                    "final": RATE / 8,
                    "steps": 7,
                    "restartFactor": 2,
                    "restartScale": 0.75,
                }
            },
            made.CosineDecayRestarts(RATE, 7, t_mul=2.0, m_mul=0.75, alpha=0.125),
        ),
        (
            "PiecewiseConstantDecay",
            {"piecewise": {"boundaries": [6, 21], "values": [RATE, 0.0625, 0.03125]}},
            made.PiecewiseConstantDecay([5, 20], [RATE, 0.0625, 0.03125]),
        ),
    ]
    return [(name, ours, lambda t, schedule=schedule: np.array(schedule(t))) for name, ours, schedule in rows]
