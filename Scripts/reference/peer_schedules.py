"""peers/schedules-*.json: learning rates of the peers' schedules for the first steps, beside the same schedule here."""

import importlib

from exact import text

STEPS = 51


def cases(peer):
    """Of the peer's module of schedules: name, our schedule, and a function of the number of steps taken."""
    module = importlib.import_module(f"schedules_{peer.CONVENTION}")
    head = {"convention": peer.CONVENTION, "scalar": "double" if peer.CONVENTION == "pytorch" else "float"}
    return [
        {"name": name, **head, "schedule": ours, "values": [text(float(theirs(t))) for t in range(STEPS)]}
        for name, ours, theirs in module.schedules()
    ]


ORIGIN = (
    "Learning rates that the peer's own schedule gives after 0, 1, ... 50 steps. schedule is this library's equivalent, "
    "in the form that configuration files use. PyTorch computes in Double (scalar), the others in Float."
)
