"""Tensor shapes of the cases: one vector of a given count, or the parameters of a known network."""

from math import prod

Shape = tuple[int, ...]


def resnet50() -> list[Shape]:
    """ResNet-50 as published with torchvision: every convolution is followed by a batch norm (weight and bias)."""
    shapes: list[Shape] = []

    def convolution(inputs: int, outputs: int, kernel: int) -> None:
        shapes.extend([(outputs, inputs, kernel, kernel), (outputs,), (outputs,)])

    convolution(3, 64, 7)
    inputs = 64
    for width, blocks in [(64, 3), (128, 4), (256, 6), (512, 3)]:
        for block in range(blocks):
            convolution(inputs, width, 1)
            convolution(width, width, 3)
            convolution(width, 4 * width, 1)
            if block == 0:
                convolution(inputs, 4 * width, 1)
            inputs = 4 * width
    return shapes + [(1000, 2048), (1000,)]


def gpt2() -> list[Shape]:
    """GPT-2 small: 12 blocks of width 768, the output layer tied to the token embedding."""
    width = 768
    norm: list[Shape] = [(width,), (width,)]
    attention: list[Shape] = [(width, 3 * width), (3 * width,), (width, width), (width,)]
    feed_forward: list[Shape] = [(width, 4 * width), (4 * width,), (4 * width, width), (width,)]
    return [(50257, width), (1024, width)] + 12 * (norm + attention + norm + feed_forward) + norm


MODELS = {"resnet50": resnet50, "gpt2": gpt2}


def count(shapes: list[Shape]) -> int:
    return sum(prod(shape) for shape in shapes)
