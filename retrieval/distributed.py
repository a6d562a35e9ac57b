"""The workers of one run (a process group) and what they tell each other; alone, each call does nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from jaxtyping import Shaped
from torch import Tensor, distributed, nn

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """This worker's number and how many there are; more than one need torch.distributed initialised."""

    rank: int = 0
    size: int = 1

    def gather(self, part: Shaped[Tensor, "b ..."]) -> Shaped[Tensor, "all ..."]:
        """The parts of all workers in order of rank, without a graph; all parts have one shape."""
        if self.size == 1:
            return part.detach().clone()
        parts = [torch.empty_like(part) for _ in range(self.size)]
        distributed.all_gather(parts, part.detach().contiguous())
        return torch.cat(parts)

    def sum_(self, values: Shaped[Tensor, "..."]) -> None:
        """Replace `values` by their sum over the workers."""
        if self.size > 1:
            distributed.all_reduce(values, op=distributed.ReduceOp.SUM)

    def union(self, part: Mapping[int, T]) -> dict[int, T]:
        """The entries of all workers; workers with the same key have the same value."""
        return {key: value for one in self.exchange(dict(part)) for key, value in one.items()}

    def exchange(self, part: T) -> list[T]:
        """The parts of all workers in order of rank; each is pickled, so tensors should lie on the CPU."""
        if self.size == 1:
            return [part]
        parts: list[Any] = [None] * self.size
        distributed.all_gather_object(parts, part)
        return parts

    def largest(self, value: int) -> int:
        """The largest value that any worker has."""
        if self.size == 1:
            return value
        device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        tensor = torch.tensor(value, device=device)
        distributed.all_reduce(tensor, op=distributed.ReduceOp.MAX)
        return int(tensor)

    def share(self, num_rows: int) -> slice:
        """This worker's rows among `num_rows` gathered ones."""
        each = num_rows // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its sum over the workers, in one exchange a dtype.

        Whether a parameter has a gradient must not differ between workers.
        """
        if self.size == 1:
            return
        by_dtype: dict[torch.dtype, list[Tensor]] = {}
        for parameter in parameters:
            if parameter.grad is not None:
                by_dtype.setdefault(parameter.grad.dtype, []).append(parameter.grad)
        for gradients in by_dtype.values():
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            self.sum_(flat)
            pieces = flat.split([gradient.numel() for gradient in gradients])
            for gradient, piece in zip(gradients, pieces, strict=True):
                gradient.copy_(piece.view_as(gradient))

    def take_from_first(self, module: nn.Module) -> None:
        """Give every worker the first one's parameters and buffers."""
        if self.size > 1:
            for tensor in module.state_dict().values():
                distributed.broadcast(tensor, src=0)

    def wait(self) -> None:
        """Go on when every worker is here."""
        if self.size > 1:
            distributed.barrier()
