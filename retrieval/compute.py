"""Compute: where a pass through the model runs, in which precision, and with which other workers."""

from dataclasses import dataclass, field

import torch

from retrieval.distributed import Group
from retrieval.recipe import Precision

_AUTOCAST: dict[Precision, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute:
    """What is the same for all that one command computes.

    `precision` is that of the matrix products; weights, pooled vectors and scores are float32 throughout. The
    workers of `group` share the passes out, and each ends with the whole result.
    """

    device: torch.device
    precision: Precision = "fp32"
    group: Group = field(default_factory=Group)

    def autocast(self) -> torch.autocast:
        """Inside, the model computes in this precision."""
        return autocast(self.device, self.precision)


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """torch's own, by the recipe's words."""
    dtype = _AUTOCAST.get(precision)
    return torch.autocast(device.type, dtype=dtype, enabled=dtype is not None)
