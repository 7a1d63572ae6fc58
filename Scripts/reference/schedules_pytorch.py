"""PyTorch's schedulers; each is stepped once after every step of the optimizer."""

import warnings

import torch
from torch.optim import lr_scheduler

RATE = 0.125
# That a step without gradients came first is all the same to a schedule.
warnings.filterwarnings("ignore")


def values(make, count=64):
    rule = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    scheduler = make(rule)
    result = []
    for _ in range(count):
        result.append(float(rule.param_groups[0]["lr"]))
        rule.step()
        scheduler.step()
    return result.__getitem__


def schedules():
    cosine = {"initial": RATE, "final": 0.01}
    one_cycle = {"peak": RATE, "initial": RATE / 4, "final": RATE / 32}
    warm = lambda rule: lr_scheduler.SequentialLR(  # noqa: E731
        rule,
        [
            lr_scheduler.LinearLR(rule, 0.25, 1.0, 10),
            lr_scheduler.CosineAnnealingLR(rule, 60, eta_min=0.01),
        ],
        [10],
    )
    rows = [
        ("StepLR", {"step": {"initial": RATE, "factor": 0.5, "every": 7}}, lambda r: lr_scheduler.StepLR(r, 7, 0.5)),
        (
            "ExponentialLR",
            {"exponential": {"initial": RATE, "rate": 0.9, "every": 1}},
            lambda r: lr_scheduler.ExponentialLR(r, 0.9),
        ),
        (
            "CosineAnnealingLR",
            {"cosine": {**cosine, "steps": 60}},
            lambda r: lr_scheduler.CosineAnnealingLR(r, 60, eta_min=0.01),
        ),
        (
            "CosineAnnealingWarmRestarts",
            {"cosine": {**cosine, "steps": 7, "restartFactor": 2}},
            lambda r: lr_scheduler.CosineAnnealingWarmRestarts(r, 7, 2, eta_min=0.01),
        ),
        (
            "LinearLR",
            {"linear": {"from": RATE / 4, "to": RATE / 2, "steps": 20}},
            lambda r: lr_scheduler.LinearLR(r, 0.25, 0.5, 20),
        ),
        (
            "PolynomialLR",
            {"polynomial": {"from": RATE, "to": 0, "steps": 30, "power": 2}},
            lambda r: lr_scheduler.PolynomialLR(r, 30, 2.0),
        ),
        (
            "MultiStepLR",
            {"piecewise": {"boundaries": [5, 20], "values": [RATE, RATE / 2, RATE / 4]}},
            lambda r: lr_scheduler.MultiStepLR(r, [5, 20], 0.5),
        ),
        (
            "OneCycleLR",
            {"oneCycle": {"peak": RATE, "steps": 70}},
            lambda r: lr_scheduler.OneCycleLR(r, RATE, 70, cycle_momentum=False),
        ),
        (
            "OneCycleLR, linear, a rise that ends between two steps",
            {"oneCycle": {**one_cycle, "steps": 65, "riseShare": 0.37, "curve": "linear"}},
            lambda r: lr_scheduler.OneCycleLR(
                r, RATE, 65, pct_start=0.37, anneal_strategy="linear", div_factor=4, final_div_factor=8,
                cycle_momentum=False,
            ),
        ),
        (
            "OneCycleLR, three phases",
            {"oneCycle": {**one_cycle, "steps": 65, "riseShare": 0.25, "threePhases": True}},
            lambda r: lr_scheduler.OneCycleLR(
                r, RATE, 65, pct_start=0.25, div_factor=4, final_div_factor=8, three_phase=True, cycle_momentum=False,
            ),
        ),
        (
            "SequentialLR of LinearLR and CosineAnnealingLR",
            {"warmup": {"from": RATE / 4, "steps": 10, "then": {"cosine": {**cosine, "steps": 60}}}},
            warm,
        ),
    ]
    return [(name, ours, values(make)) for name, ours, make in rows]
