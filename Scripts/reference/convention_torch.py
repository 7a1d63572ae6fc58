"""PyTorch's numbers."""

import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from trials import Abilities, Averaging, State, Tensors, Trial

CONVENTION = "pytorch"
PACKAGES = ("torch",)
ABILITIES = Abilities(
    dampening=True,
    maximize=True,
    missing_gradients=True,
    momentum_pauses=True,
    clippings=((), ("global",), ("value",), ("norm",), ("value", "global")),
    norm_types=(2.0, 2.0, 1.0, 2.5, float("inf")),
    averagings=(Averaging(0.9), Averaging(None)),
)


def run(trial: Trial) -> list[State]:
    """The state after each phase."""
    tensors = {name: torch.nn.Parameter(torch.from_numpy(p).clone()) for name, p in trial.parameters.items()}
    model = torch.nn.ParameterList(tensors.values())
    average = averaged(model, trial.averaging) if trial.averaging else None
    rule = torch.optim.SGD(
        tensors.values(),
        lr=trial.phases[0].learning_rate,
        momentum=1.0 if trial.nesterov else 0.0,  # Nesterov without is refused; the phases set it.
        dampening=trial.dampening,
        weight_decay=trial.weight_decay,
        nesterov=trial.nesterov,
        maximize=trial.maximize,
    )
    states = []
    for phase in trial.phases:
        rule.param_groups[0].update(lr=phase.learning_rate, momentum=phase.momentum)
        for _ in range(phase.steps):
            for name, tensor in tensors.items():
                gradient = phase.gradients.get(name)
                tensor.grad = None if gradient is None else torch.from_numpy(gradient).clone()
            clip_gradients([tensors[name] for name in phase.gradients], trial.thresholds, trial.norm_type)
            rule.step()
            if average:
                average.update_parameters(model)
        buffers = {name: rule.state[tensor].get("momentum_buffer") for name, tensor in tensors.items()}
        kept = {name: buffer for name, buffer in buffers.items() if buffer is not None}
        averages = dict(zip(tensors, average.module, strict=True)) if average else {}
        states.append(State(arrays(tensors), arrays(kept), arrays(averages)))
    return states


def averaged(model: torch.nn.Module, averaging: Averaging) -> AveragedModel:
    if averaging.decay is None:
        return AveragedModel(model)
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(averaging.decay))


def arrays(tensors: dict[str, torch.Tensor]) -> Tensors:
    return {name: tensor.detach().numpy().copy() for name, tensor in tensors.items()}


def clip(gradients: Tensors, thresholds: dict[str, float], norm_type: float) -> tuple[Tensors, float | None]:
    """The clipped gradients, and the norm that the global clip returned."""
    tensors = {}
    for name, gradient in gradients.items():
        tensors[name] = torch.zeros(gradient.shape, dtype=torch.from_numpy(gradient).dtype, requires_grad=True)
        tensors[name].grad = torch.from_numpy(gradient).clone()
    returned = clip_gradients(list(tensors.values()), thresholds, norm_type)
    return {name: tensor.grad.numpy() for name, tensor in tensors.items()}, returned


def clip_gradients(tensors: list[torch.Tensor], thresholds: dict[str, float], norm_type: float) -> float | None:
    if "value" in thresholds:
        clip_grad_value_(tensors, thresholds["value"])
    if "norm" in thresholds:
        for tensor in tensors:
            clip_grad_norm_([tensor], thresholds["norm"], norm_type=norm_type)
    if "global" in thresholds:
        return float(clip_grad_norm_(tensors, thresholds["global"], norm_type=norm_type))
    return None
