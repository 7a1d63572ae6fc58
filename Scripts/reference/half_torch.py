"""PyTorch's results in half precision."""

import torch

from half_cases import GRADIENT, GRADIENTS, LEARNING_RATE, MOMENTUM, STEPS, show

DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16}


def tensors(name: str) -> list[torch.nn.Parameter]:
    """Parameters with the gradients of a case."""
    case = GRADIENTS[name]
    parameters = []
    for _ in range(case.tensors):
        gradient = torch.full((case.count,), case.value, dtype=DTYPES[case.dtype])
        # The parameter's own memory is of no interest.
        parameter = torch.nn.Parameter(torch.empty(1, dtype=gradient.dtype).expand(case.count))
        parameter.grad = gradient
        parameters.append(parameter)
    return parameters


def norm(name: str) -> float:
    return torch.nn.utils.get_total_norm([parameter.grad for parameter in tensors(name)]).item()


def clipped(name: str) -> float:
    parameters = tensors(name)
    torch.nn.utils.clip_grad_norm_(parameters, 100.0)
    return parameters[0].grad[0].item()


def stepped(**options: bool) -> float:
    parameter = torch.nn.Parameter(torch.ones(8, dtype=torch.bfloat16))
    optimizer = torch.optim.SGD([parameter], lr=LEARNING_RATE, momentum=MOMENTUM, **options)
    parameter.grad = torch.full_like(parameter, GRADIENT)
    for _ in range(STEPS):
        optimizer.step()
    return parameter[0].item()


show(
    f"PyTorch {torch.__version__}",
    {
        **{name: {"norm": norm(name)} for name in GRADIENTS},
        "f16-clipped": {"clip": clipped("f16-large-norm")},
        "bf16-steps": {
            "loop": stepped(foreach=False),
            "foreach": stepped(foreach=True),
            "fused": stepped(fused=True),
        },
    },
)
