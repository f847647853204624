"""Values to call the functions and methods of heavy libraries with, made anew for every call."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch


def vector() -> torch.Tensor:
    return torch.tensor([3.5, 1.25, 2.75, 1.25, 0.5, 4.0])


def matrix() -> torch.Tensor:
    return torch.tensor([[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 2.0]])


def unit() -> torch.Tensor:
    return torch.tensor([[0.25, 0.5, 0.75], [0.125, 0.25, 0.5], [0.5, 0.25, 0.125]])


def batch() -> torch.Tensor:
    return torch.arange(48.0).reshape(2, 2, 3, 4) / 48


def whole() -> torch.Tensor:
    return torch.tensor([2, 0, 1])


def mask() -> torch.Tensor:
    return torch.tensor([True, False, True, True, False, False])


def learnt() -> torch.Tensor:
    """A leaf that collects gradients."""
    return matrix().requires_grad_()


def output() -> torch.Tensor:
    """What a module may give: a tensor with a graph."""
    return learnt() * 1.0


def linear() -> torch.nn.Module:
    return torch.nn.Linear(3, 2)


def network() -> torch.nn.Module:
    layers = [torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU(), torch.nn.Dropout(0.5)]
    return torch.nn.Sequential(*layers, torch.nn.Linear(4, 2))


def identity() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Identity(), torch.nn.Flatten())


def dataset() -> torch.utils.data.Dataset:
    return torch.utils.data.TensorDataset(matrix(), whole())


Arguments = list[Callable[[], list]]

TENSORS: Arguments = [
    lambda: [],
    lambda: [vector()],
    lambda: [matrix()],
    lambda: [learnt()],
    lambda: [output()],
    lambda: [unit()],
    lambda: [batch()],
    lambda: [whole()],
    lambda: [mask()],
    lambda: [vector(), vector()],
    lambda: [learnt(), matrix()],
    lambda: [matrix(), learnt()],
    lambda: [unit(), unit()],
    lambda: [output(), whole()],
    lambda: [matrix(), whole()],
    lambda: [whole(), whole()],
    lambda: [mask(), mask()],
    lambda: [matrix(), vector()[:3].clone()],
    lambda: [vector(), 2],
    lambda: [learnt(), 0],
    lambda: [vector(), 0.5],
    lambda: [learnt(), 2.0],
    lambda: [matrix(), 0, 1],
    lambda: [learnt(), 0, 1],
    lambda: [vector(), 1.0, 3.0],
    lambda: [matrix(), (9,)],
    lambda: [learnt(), (9,)],
    lambda: [matrix(), (3, 3)],
    lambda: [matrix(), 0, whole()],
    lambda: [matrix(), 0, whole().repeat(3, 1), 5.0],
    lambda: [learnt(), 0, whole().repeat(3, 1)],
    lambda: [mask(), vector(), vector()],
    lambda: [mask()[:3], learnt(), matrix()],
    lambda: [matrix(), mask()[:3]],
    lambda: [[vector(), vector()]],
    lambda: [[learnt(), matrix()]],
    lambda: ["ij,jk->ik", learnt(), matrix()],
    lambda: [matrix(), matrix(), matrix()],
    lambda: [batch()[0], batch()[0].transpose(1, 2).clone()],
    lambda: [batch()[0], batch()[0].clone()],
    lambda: [3],
    lambda: [3, 4],
    lambda: [(2, 3)],
    lambda: [(2, 3), 7.0],
    lambda: [0, 5, (2, 3)],
    lambda: [0.0, 1.0, 5],
    lambda: [0.0, 1.0, (3,)],
    lambda: [np.array([1.0, 2.0, 3.0])],
    lambda: [[1.0, 2.0]],
    lambda: [2.5],
    lambda: ["cpu"],
    lambda: [batch(), 2],
    lambda: [batch(), torch.ones(1, 2, 2, 2)],
    lambda: [batch()[0], torch.ones(1, 3, 2)],
    lambda: [torch.complex(unit(), unit())],
    lambda: [matrix(), torch.ones(2, 3)],
    lambda: [whole(), matrix()],
    lambda: [whole(), 3],
    lambda: [batch(), (1, 1)],
    lambda: [matrix(), [3]],
    lambda: [bytearray(b"12345678")],
    lambda: [torch.float32],
]

METHODS: Arguments = [
    lambda: [],
    lambda: [0],
    lambda: [0, 1],
    lambda: [2.0],
    lambda: [0.1, 0.9],
    lambda: [matrix()],
    lambda: [learnt()],
    lambda: [vector()[:3].clone()],
    lambda: [-1],
    lambda: [(9,)],
    lambda: [3, 3],
    lambda: [0, 0, 2],
    lambda: [1, 0, 2],
    lambda: [torch.float64],
    lambda: ["torch.DoubleTensor"],
    lambda: ["cpu"],
    lambda: [0, whole()],
    lambda: [0, whole().repeat(3, 1), 5.0],
    lambda: [0, whole(), 5.0],
    lambda: [matrix() > 1],
    lambda: [matrix() > 1, 5.0],
    lambda: [matrix() > 1, matrix()],
    lambda: [2],
    lambda: [2, 2],
    lambda: [None],
    lambda: [False],
]

MODULES: Arguments = [
    lambda: [],
    lambda: [matrix()],
    lambda: [torch.float64],
    lambda: ["cpu"],
    lambda: [False],
    lambda: ["weight"],
    lambda: [network().state_dict()],
    lambda: [linear().state_dict()],
    lambda: ["extra", linear()],
    lambda: ["extra", matrix()],
    lambda: [linear()],
    lambda: [lambda module: None],
]

RECEIVERS: dict[str, tuple[list[Callable], Arguments]] = {
    "torch.Tensor": ([vector, matrix, whole, lambda: matrix().t()], METHODS),
    "torch.Output": ([learnt, output], METHODS),
    "torch.nn.Module": ([linear, network, identity, lambda: torch.nn.ModuleList([linear()])], MODULES),
    "torch.Generator": ([torch.Generator], [lambda: [], lambda: [3]]),
    "torch.utils.data.Dataset": ([dataset], [lambda: [], lambda: [0]]),
}
