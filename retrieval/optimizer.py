"""What turns gradients into steps: parameter groups, the schedule, and the moving average of weights."""

import fnmatch
import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from animate.strict_toml import RecipeError
from retrieval.model import Retriever
from retrieval.recipe import TrainSpec


def freeze(model: Retriever, patterns: tuple[str, ...]) -> int:
    """Stop training the parameters whose name matches one of these shell patterns; gives their number.

    `RecipeError` for a pattern that matches nothing: a freeze that does not happen changes the experiment.
    """
    names = dict(model.named_parameters())
    frozen: set[str] = set()
    for pattern in patterns:
        matched = fnmatch.filter(names, pattern)
        if not matched:
            tops = sorted({".".join(name.split(".")[:3]) for name in names})
            raise RecipeError(f"freeze = {pattern!r}: matches no parameter; names start {', '.join(tops)}")
        frozen.update(matched)
    for name in frozen:
        names[name].requires_grad_(False)
    return len(frozen)


def build_optimizer(model: Retriever, spec: TrainSpec) -> torch.optim.AdamW:
    """AdamW over what is not frozen; towers and prior have their own rates, vectors and scalars no decay."""
    grouped: dict[tuple[float, bool], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            key = (_rate_of(name, spec), parameter.ndim > 1)
            grouped.setdefault(key, []).append(parameter)
    if not grouped:
        raise RecipeError("freeze: leaves nothing to train")
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": rate,
                "start_lr": rate,
                "weight_decay": spec.weight_decay if decays else 0.0,
            }
            for (rate, decays), parameters in sorted(grouped.items(), key=lambda item: item[0])
        ],
        betas=(0.9, 0.98),
        eps=1e-6,
    )


def _rate_of(name: str, spec: TrainSpec) -> float:
    if name.startswith("towers."):
        return spec.encoder_learning_rate
    return spec.prior_learning_rate if name == "interaction.log_prior" else spec.learning_rate


def rate_factor(step: int, *, total_steps: int, spec: TrainSpec) -> float:
    """What every learning rate is multiplied with in step number `step`, counted from 0.

    Rises linearly to 1 over the warm-up, then stays or falls as a half cosine to 0 after the last step.
    """
    if step < spec.warmup_steps:
        return (step + 1) / spec.warmup_steps
    if spec.schedule == "constant":
        return 1.0
    progress = (step - spec.warmup_steps) / max(1, total_steps - spec.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


class MovingAverage:
    """The exponential moving average of a model's parameters; `decay` 0 keeps none and changes nothing."""

    def __init__(self, model: Retriever, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.average = self._copy() if decay else {}
        # While the average is applied, the parameters that training goes on with.
        self.own: dict[str, Tensor] | None = None

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Take in the parameters as they are after so many steps.

        The decay warms up to its value: else the average of a short run would be mostly what it started from.
        """
        if not self.decay:
            return
        decay = min(self.decay, (1 + steps) / (10 + steps))
        for name, value in self.model.named_parameters():
            self.average[name].lerp_(value, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the model has the average for its parameters."""
        if not self.decay:
            yield
            return
        self.own = self._copy()
        self._put(self.average)
        try:
            yield
        finally:
            self._put(self.own)
            self.own = None

    def restore(self, own: dict[str, Tensor] | None) -> None:
        """Go on with parameters `own`; the average is what the model now holds. None: there is none."""
        if own is not None:
            self.average = self._copy()
            self._put(own)

    def _copy(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.model.named_parameters()}

    @torch.no_grad()
    def _put(self, values: dict[str, Tensor]) -> None:
        for name, value in self.model.named_parameters():
            value.copy_(values[name])
