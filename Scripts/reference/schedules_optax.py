"""Optax's schedules, functions of the number of steps taken."""

import optax

RATE = 0.125


def schedules():
    return [
        (
            "exponential_decay",
            {"exponential": {"initial": RATE, "rate": 0.5, "every": 7}},
            optax.exponential_decay(RATE, 7, 0.5),
        ),
        (
            "exponential_decay, staircase",
            {"step": {"initial": RATE, "factor": 0.5, "every": 7}},
            optax.exponential_decay(RATE, 7, 0.5, staircase=True),
        ),
        (
            "exponential_decay, end value",
            {"exponential": {"initial": RATE, "rate": 0.5, "every": 7, "final": 0.01}},
            optax.exponential_decay(RATE, 7, 0.5, end_value=0.01),
        ),
        (
            "exponential_decay, growing to an end value",
            {"exponential": {"initial": RATE, "rate": 2, "every": 7, "final": 1.5}},
            optax.exponential_decay(RATE, 7, 2.0, end_value=1.5),
        ),
        (
            "cosine_decay_schedule, exponent",
            {"cosine": {"initial": RATE, "final": RATE / 8, "steps": 30, "power": 1.5}},
            optax.cosine_decay_schedule(RATE, 30, alpha=0.125, exponent=1.5),
        ),
        (
            "piecewise_interpolate_schedule, linear",
            {"interpolated": {"boundaries": [5, 20], "values": [RATE, RATE / 4, RATE / 2]}},
            optax.piecewise_interpolate_schedule("linear", RATE, {5: 0.25, 20: 2.0}),
        ),
        (
            "piecewise_interpolate_schedule, cosine",
            {"interpolated": {"boundaries": [5, 20], "values": [RATE, RATE / 4, RATE / 2], "curve": "cosine"}},
            optax.piecewise_interpolate_schedule("cosine", RATE, {5: 0.25, 20: 2.0}),
        ),
        (
            "linear_onecycle_schedule",
            {"interpolated": {"boundaries": [12, 34, 40], "values": [RATE / 4, RATE, RATE / 4, RATE / 32]}},
            optax.linear_onecycle_schedule(40, RATE, div_factor=4, final_div_factor=8),
        ),
        (
            "cosine_onecycle_schedule",
            {"interpolated": {"boundaries": [12, 40], "values": [RATE / 4, RATE, RATE / 32], "curve": "cosine"}},
            optax.cosine_onecycle_schedule(40, RATE, div_factor=4, final_div_factor=8),
        ),
        (
            "cosine_decay_schedule",
            {"cosine": {"initial": RATE, "final": RATE / 8, "steps": 30}},
            optax.cosine_decay_schedule(RATE, 30, alpha=0.125),
        ),
        (
            "polynomial_schedule",
            {"polynomial": {"from": RATE, "to": 0.01, "steps": 30, "power": 2}},
            optax.polynomial_schedule(RATE, 0.01, 2, 30),
        ),
        (
            "linear_schedule",
            {"linear": {"from": RATE, "to": 0.01, "steps": 30}},
            optax.linear_schedule(RATE, 0.01, 30),
        ),
        (
            "piecewise_constant_schedule",
            {"piecewise": {"boundaries": [5, 20], "values": [RATE, 0.0625, 0.03125]}},
            optax.piecewise_constant_schedule(RATE, {5: 0.5, 20: 0.5}),
        ),
        (
            "warmup_cosine_decay_schedule",
            {"warmup": {"from": 0.01, "steps": 10, "then": {"cosine": {"initial": RATE, "final": 0, "steps": 30}}}},
            optax.warmup_cosine_decay_schedule(0.01, RATE, 10, 40),
        ),
        (
            "join_schedules",
            {
                "joined": {
                    "boundaries": [20],
                    "schedules": [
                        {"linear": {"from": 0.01, "to": RATE, "steps": 15}},
                        {"exponential": {"initial": RATE, "rate": 0.9, "every": 1}},
                    ],
                }
            },
            optax.join_schedules([optax.linear_schedule(0.01, RATE, 15), optax.exponential_decay(RATE, 1, 0.9)], [20]),
        ),
    ]
