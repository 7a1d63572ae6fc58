"""MLX's schedules, functions of the number of steps taken."""

import mlx.core as mx
from mlx.optimizers import cosine_decay, exponential_decay, join_schedules, linear_schedule, step_decay

RATE = 0.125


def schedules():
    rows = [
        ("exponential_decay", {"exponential": {"initial": RATE, "rate": 0.9}}, exponential_decay(RATE, 0.9)),
        ("step_decay", {"step": {"initial": RATE, "factor": 0.5, "every": 7}}, step_decay(RATE, 0.5, 7)),
        (
            "cosine_decay",
            {"cosine": {"initial": RATE, "final": 0.01, "steps": 30}},
            cosine_decay(RATE, 30, 0.01),
        ),
        ("linear_schedule", {"linear": {"from": 0.01, "to": RATE, "steps": 30}}, linear_schedule(0.01, RATE, 30)),
        (
            "join_schedules",
            {"warmup": {"from": 0.01, "steps": 10, "then": {"cosine": {"initial": RATE, "final": 0, "steps": 30}}}},
            join_schedules([linear_schedule(0.01, RATE, 10), cosine_decay(RATE, 30)], [10]),
        ),
    ]
    return [(name, ours, at(schedule)) for name, ours, schedule in rows]


def at(schedule):
    return lambda t: mx.array(schedule(mx.array(t))).item()
