"""Interaction: the fine stage, in which the words of a text meet the frames of a video."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from animate.strict_toml import RecipeError
from retrieval.model.cross import CrossAttention
from retrieval.model.features import Features
from retrieval.model.frames_together import PLACES_STD, FramesTogether
from retrieval.model.late import MaxSim, TextConditioned
from retrieval.model.tokens import Read, Watched
from retrieval.recipe import InteractionSpec

#: What places were drawn at before: kept for the head that starts from noise, as it always did.
NOISE_STD = 0.02


class Interaction(nn.Module):
    """Joint scores of text-video pairs, and the weight of the coarse score as their prior.

    Heads, by what they know at the start and what they can learn:

        mean    late interaction of tokens in the shared space; nothing to learn
        eot     the text's vector attends to the frames; starts as their mean
        tokens  frames see each other, then late interaction with learned weights of words and frames, then
                cross-attention as a correction; starts as `mean`
        cross   cross-attention alone, from noise

    All but `cross` start from what the encoders know, which needs tokens of one width.
    """

    def __init__(
        self,
        spec: InteractionSpec,
        *,
        text_width: int,
        frame_width: int,
        tokens_per_frame: int,
        temperature: float,
    ) -> None:
        super().__init__()
        if spec.head == "none":
            raise ValueError("head = 'none': has no interaction module")
        if spec.head != "cross" and text_width != frame_width:
            raise RecipeError(
                f"head = {spec.head!r}: compares tokens of texts and frames, but these are {text_width} and "
                f"{frame_width} wide; head = 'cross' takes any"
            )
        self.head = spec.head
        shape = {
            "width": spec.width,
            "heads": spec.heads,
            "max_frames": spec.max_frames,
            "tokens_per_frame": tokens_per_frame,
        }
        self.together: FramesTogether | None = None
        self.late: MaxSim | TextConditioned | None = None
        self.cross: CrossAttention | None = None
        if spec.head == "tokens":
            self.together = FramesTogether(token_width=frame_width, layers=spec.frame_layers, **shape)
        if spec.head == "eot":
            self.late = TextConditioned(width=text_width, temperature=temperature)
        elif spec.head != "cross":
            self.late = MaxSim(width=text_width, temperature=temperature, weighted=spec.head == "tokens")
        if spec.head in ("tokens", "cross"):
            from_noise = spec.head == "cross"
            self.cross = CrossAttention(
                text_width=text_width,
                frame_width=frame_width,
                layers=spec.layers,
                places_std=NOISE_STD if from_noise else PLACES_STD,
                zero_start=not from_noise,
                **shape,
            )
        self.log_prior = nn.Parameter(torch.zeros(()))

    def read(self, text: Features) -> Read:
        """All of the work on texts that no video has a part in."""
        length = int(text.mask.sum(dim=1).max())  # columns that are padding in every row take no part
        tokens, mask = text.tokens[:, :length], text.mask[:, :length]
        return Read(
            unit=_unit(tokens, mask),
            hidden=tokens[:, :, :0] if self.cross is None else self.cross.read(tokens, mask),
            mask=mask,
            weights=self.late.word_weights(tokens, mask) if isinstance(self.late, MaxSim) else _evenly(mask),
        )

    def watch(self, video: Features) -> Watched:
        """All of the work on videos that no text has a part in."""
        tokens, mask = video.tokens, video.mask
        if self.together is not None:
            tokens = self.together(tokens, mask)
        return Watched(
            unit=_unit(tokens, mask),
            mask=mask,
            weights=self.late.frame_weights(tokens, mask) if isinstance(self.late, MaxSim) else _evenly(mask),
            keys_values=() if self.cross is None else self.cross.look_at(tokens),
        )

    def forward(self, text: Read, video: Watched) -> Float[Tensor, " p"]:
        """Joint-only scores of p pairs: row i of `text` with row i of `video`."""
        correction = self.correction(text, video).float()
        if self.late is None:
            return correction
        with _exactly(text.unit.device):
            return correction + self.late.pairs(text, video)

    def every_pair(self, text: Read, video: Watched) -> Float[Tensor, "b v"]:
        """The late part of the joint scores, of every text with every video; 0 for `cross`."""
        if self.late is None:
            return text.unit.new_zeros(len(text.mask), len(video.mask))
        with _exactly(text.unit.device):
            return self.late.every_pair(text, video)

    def correction(self, text: Read, video: Watched) -> Float[Tensor, " p"]:
        """The rest of the joint scores, which cross-attention gives; 0 for heads without it."""
        if self.cross is None:
            return text.unit.new_zeros(len(text.mask))
        return self.cross(text, video)

    def prior_weight(self) -> Float[Tensor, ""]:
        """How much the coarse score counts in the fused one; above 0, learned, 1 at the start."""
        return self.log_prior.exp()


def _evenly(mask: Bool[Tensor, "b n"]) -> Float[Tensor, "b n"]:
    """All real tokens count the same."""
    return mask / mask.sum(dim=1, keepdim=True)


def _unit(tokens: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
    """Of length 1. Padding becomes the first token once more: it changes no maximum and needs no mask."""
    unit = functional.normalize(tokens.float(), dim=-1)
    return torch.where(mask.unsqueeze(-1), unit, unit[:, :1])


def _exactly(device: torch.device) -> torch.autocast:
    """Cosines differ in their third digit and are multiplied by up to 100: half precision is too coarse."""
    return torch.autocast(device.type, enabled=False)
