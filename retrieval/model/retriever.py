"""Retriever: towers, temporal pooling and interaction as one module; how a recipe becomes one."""

import math

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from animate.strict_toml import RecipeError
from retrieval.model.architecture import Architecture, resolve
from retrieval.model.clip import ClipTowers
from retrieval.model.features import Features, Towers
from retrieval.model.interaction import Interaction
from retrieval.model.pooling import MeanPooling, TransformerPooling
from retrieval.model.weights import put_weights
from retrieval.recipe import InteractionSpec, ModelSpec

#: CLIP's own bound: sharper than this, training becomes unstable.
LOWEST_TEMPERATURE = 0.01


class Retriever(nn.Module):
    """Videos and texts to `Features`, and all that is learned between them."""

    def __init__(
        self,
        towers: Towers,
        *,
        pooling: nn.Module,
        interaction: Interaction | None,
        temperature: float,
    ) -> None:
        super().__init__()
        if not isinstance(towers, nn.Module):
            raise TypeError(f"towers = {type(towers).__name__}: must be an nn.Module")
        self.towers: Towers = towers
        self.pooling = pooling
        self.interaction = interaction
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def encode_video(self, frames: Shaped[Tensor, "b t ..."], mask: Bool[Tensor, "b t"]) -> Features:
        """Features of b videos of up to t frames; frames outside the mask change nothing."""
        if not bool(mask.any(dim=1).all()):
            raise ValueError("mask: every video needs at least one frame")
        return self.pool_frames(self.towers.encode_frames(frames[mask]), mask)

    def pool_frames(self, single: Features, mask: Bool[Tensor, "b t"]) -> Features:
        """Features of b videos from those of their single frames: the True places of the mask, in order."""
        batch, length = mask.shape
        spread = single.spread(mask.flatten())
        return Features(
            pooled=self.pooling(spread.pooled.unflatten(0, (batch, length)), mask),
            tokens=spread.tokens.unflatten(0, (batch, length)).flatten(1, 2),
            mask=spread.mask.unflatten(0, (batch, length)).flatten(1, 2),
        )

    def encode_text(self, ids: Int[Tensor, "b l"]) -> Features:
        """Features of b tokenised texts."""
        return self.towers.encode_text(ids)

    def tokenize(self, captions: list[str]) -> Int[Tensor, "b l"]:
        """Token ids of b captions."""
        return self.towers.tokenize(captions)

    def temperature(self) -> Float[Tensor, ""]:
        """What cosines are divided by; learned, at least `LOWEST_TEMPERATURE`."""
        return (-self.log_scale).exp()

    @torch.no_grad()
    def clamp_temperature(self) -> None:
        """Bring temperatures back above their bound; the loop does so after each step."""
        for name, scale in self.named_parameters():
            if name.endswith("log_scale"):  # of the coarse stage, and of late interaction
                scale.clamp_(max=-math.log(LOWEST_TEMPERATURE))

    def train(self, mode: bool = True) -> "Retriever":
        """As usual, but batch norms keep their statistics: else a result would depend on its micro-batch."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self


def build_retriever(model: ModelSpec, interaction: InteractionSpec) -> Retriever:
    """The model that a recipe describes, with the weights it names.

    Random weights come from torch's generator: seed it first. `RecipeError` where [model] cannot be meant.
    """
    architecture, weights = resolve(model)
    towers = ClipTowers(architecture, patch_grid=interaction.patch_grid, token_limit=model.token_limit)
    if weights is not None:
        put_weights(towers.clip, weights)
    else:
        with torch.no_grad():
            towers.clip.logit_scale.fill_(-math.log(model.temperature))
    return assemble(towers, model, interaction)


def rebuild_retriever(
    architecture: Architecture, model: ModelSpec, interaction: InteractionSpec
) -> Retriever:
    """The same model without its weights, from what a checkpoint stores."""
    towers = ClipTowers(architecture, patch_grid=interaction.patch_grid, token_limit=model.token_limit)
    return assemble(towers, model, interaction)


def assemble(towers: Towers, model: ModelSpec, interaction: InteractionSpec) -> Retriever:
    """A retriever on any towers, its pooling and interaction as the two tables say."""
    if model.pooling == "mean":
        pooling: nn.Module = MeanPooling()
    else:
        if towers.embed_dim % model.pooling_heads:
            raise RecipeError(
                f"pooling_heads = {model.pooling_heads}: must divide the encoders' width, {towers.embed_dim}"
            )
        pooling = TransformerPooling(
            width=towers.embed_dim,
            layers=model.pooling_layers,
            heads=model.pooling_heads,
            max_frames=interaction.max_frames,
        )
    start = towers.temperature_start()
    temperature = model.temperature if start is None else max(start, LOWEST_TEMPERATURE)
    fine_stage = None
    if interaction.head != "none":
        fine_stage = Interaction(
            interaction,
            text_width=towers.text_width,
            frame_width=towers.frame_width,
            tokens_per_frame=towers.tokens_per_frame,
            temperature=temperature,
        )
    return Retriever(towers, pooling=pooling, interaction=fine_stage, temperature=temperature)
