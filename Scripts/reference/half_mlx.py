"""MLX's results in half precision, on the processor."""

from importlib.metadata import version

import mlx.core as mx
from mlx.optimizers import SGD, clip_grad_norm

from half_cases import GRADIENT, GRADIENTS, LEARNING_RATE, MOMENTUM, STEPS, show

mx.set_default_device(mx.cpu)
DTYPES = {"bf16": mx.bfloat16, "f16": mx.float16}


def clipped(name: str, limit: float) -> tuple[float, float]:
    """The first element of the clipped gradient, and the norm before."""
    case = GRADIENTS[name]
    # Arrays do not change, so one stands for all.
    tensor = mx.full((case.count,), case.value, dtype=DTYPES[case.dtype])
    gradient, norm = clip_grad_norm({str(index): tensor for index in range(case.tensors)}, limit)
    return gradient["0"][0].item(), norm.item()


def stepped() -> float:
    parameters = {"p": mx.ones(8, dtype=mx.bfloat16)}
    gradients = {"p": mx.full(8, GRADIENT, dtype=mx.bfloat16)}
    optimizer = SGD(LEARNING_RATE, MOMENTUM)
    for _ in range(STEPS):
        parameters = optimizer.apply_gradients(gradients, parameters)
        mx.eval(parameters, optimizer.state)
    return parameters["p"][0].item()


show(
    f"MLX {version('mlx')}",
    {
        **{name: {"norm": clipped(name, 1e9)[1]} for name in GRADIENTS},
        "f16-clipped": {"clip": clipped("f16-large-norm", 100.0)[0]},
        "bf16-steps": {"SGD": stepped()},
    },
)
