"""Muon: momentum whose matrix updates are made (nearly) orthogonal.

For small transformers it needs far fewer steps than Adam, which is what lets
this model be trained on a CPU. See Keller Jordan, "Muon" (2024).
"""

import torch


def orthogonalise(matrices: torch.Tensor, rounds: int = 5) -> torch.Tensor:
    """Newton-Schulz iteration on a stack of matrices of one shape."""
    x = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    tall = x.size(-2) > x.size(-1)
    if tall:
        x = x.mT
    for _ in range(rounds):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.mT if tall else x


class Muon:
    """The optimiser for the matrices inside the blocks."""

    def __init__(self, parameters, weight_decay: float = 0.01):
        self.weight_decay = weight_decay
        self.by_shape: dict[tuple, list] = {}
        for parameter in parameters:
            self.by_shape.setdefault(tuple(parameter.shape), []).append(parameter)
        self.momentum = {shape: torch.zeros(len(group), *shape) for shape, group in self.by_shape.items()}

    def step(self, rate: float, momentum: float) -> None:
        for shape, group in self.by_shape.items():
            gradient = torch.stack([parameter.grad for parameter in group])
            average = self.momentum[shape]
            average.lerp_(gradient, 1 - momentum)
            update = orthogonalise(gradient.lerp(average, momentum))
            update *= max(1, shape[0] / shape[1]) ** 0.5
            for parameter, change in zip(group, update):
                parameter.data.mul_(1 - rate * self.weight_decay).add_(change, alpha=-rate)
