"""ClipTowers: an open_clip model as the two towers, pooled features and tokens in one pass each."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import open_clip
import torch
from jaxtyping import Bool, Float, Int, UInt8
from open_clip.modified_resnet import ModifiedResNet
from open_clip.transformer import VisionTransformer, text_global_pool
from torch import Tensor, nn
from torch.nn import functional

from animate.strict_toml import RecipeError
from retrieval.model.architecture import Architecture
from retrieval.model.features import Features


class ClipTowers(nn.Module):
    """Frames and texts to `Features` through an open_clip CLIP.

    Tokens come in the shared space, under the tower's own final norm and projection, so that a word and a
    frame can be compared from the start. A frame's tokens are its pooled vector and, with `patch_grid` g, g x
    g averages of its patches. A text's are those behind the start of the text, which has seen nothing.
    """

    image_mean: Tensor
    image_std: Tensor

    def __init__(self, architecture: Architecture, *, patch_grid: int, token_limit: int = 0) -> None:
        super().__init__()
        self.architecture = architecture
        self.patch_grid = patch_grid
        self.clip = _open_clip_model(architecture.config)
        self.register_buffer("image_mean", _column(architecture.image_mean), persistent=False)
        self.register_buffer("image_std", _column(architecture.image_std), persistent=False)
        self.token_limit = _checked_limit(token_limit, architecture.context_length)
        # Where a token sees only those before it and the end of the text gives its vector, padding behind the
        # token limit takes no part: it is left out. In other text towers it does.
        self.text_length = self.token_limit if _reads_forward(self.clip) else architecture.context_length
        self._tokenizer = _tokenizer(architecture)
        self._end_of_text = _end_of_text(self._tokenizer)
        self.tokens_per_frame = 1 + patch_grid**2
        self.embed_dim, self.frame_width, self.text_width = self._widths()

    def encode_frames(self, frames: UInt8[Tensor, "n 3 h w"]) -> Features:
        """Features of n RGB images of the encoder's own size; one token a frame, then its patch averages."""
        if tuple(frames.shape[-2:]) != self.architecture.image_size:
            raise ValueError(
                f"frames of {tuple(frames.shape[-2:])} pixels: this encoder takes "
                f"{self.architecture.image_size}; set frames.size"
            )
        images = (frames.float() / 255 - self.image_mean) / self.image_std
        visual = self.clip.visual
        is_transformer = isinstance(visual, VisionTransformer)
        has_own_norm = not isinstance(visual, ModifiedResNet) and not (
            is_transformer and visual.attn_pool is not None
        )
        output = self.clip.forward_intermediates(
            image=images,
            image_indices=1,
            normalize=False,
            normalize_intermediates=has_own_norm,
            image_output_extra_tokens=is_transformer,
        )
        pooled = output["image_features"]
        joined = pooled.unsqueeze(1)
        if self.patch_grid:
            patches = functional.adaptive_avg_pool2d(output["image_intermediates"][-1], self.patch_grid)
            joined = torch.cat([joined, _patches_in(visual, patches.flatten(2).transpose(1, 2))], dim=1)
        return Features(
            pooled=pooled,
            tokens=joined,
            mask=torch.ones(joined.shape[:2], dtype=torch.bool, device=joined.device),
        )

    def encode_text(self, ids: Int[Tensor, "b l"]) -> Features:
        """Features of b texts, one token a position; positions after the end of the text are masked."""
        length = self.text_length
        if ids.shape[1] != length:
            # open_clip would broadcast its position table over a single token without a word.
            raise ValueError(f"texts of {ids.shape[1]} ids: this encoder takes {length}")
        mask = text_mask(ids, self._end_of_text)
        if length < self.architecture.context_length:
            pooled, tokens = self._shorter_text(ids)
        else:
            output = self.clip.forward_intermediates(
                text=ids, text_indices=1, normalize=False, normalize_intermediates=True
            )
            pooled, tokens = output["text_features"], output["text_intermediates"][-1]
        first = 1 if isinstance(self._tokenizer, open_clip.SimpleTokenizer) else 0
        tokens = _projected(_text_tower(self.clip), tokens[:, first:])
        return Features(pooled=pooled, tokens=tokens, mask=mask[:, first:])

    def _shorter_text(self, ids: Int[Tensor, "b l"]) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b l w"]]:
        """What the whole context would give for its first l positions, without the others.

        open_clip's own pass adds all of its position table, so its steps stand here once more.
        """
        tower = _text_tower(self.clip)
        length = ids.shape[1]
        hidden = tower.token_embedding(ids) + tower.positional_embedding[:length]
        tokens = tower.ln_final(tower.transformer(hidden, attn_mask=tower.attn_mask[:length, :length]))
        pooled = text_global_pool(
            tokens,
            ids,
            _pool_type(tower),
            eos_token_id=getattr(tower, "eos_id", getattr(tower, "text_eos_id", None)),
        )
        return _projected(tower, pooled), tokens

    def tokenize(self, captions: list[str]) -> Int[Tensor, "b l"]:
        """Ids of b captions: cut to the token limit, the end-of-text token kept, and padded."""
        ids = self._tokenizer(captions, context_length=self.token_limit)
        pad_id = self.architecture.config["text_cfg"].get("pad_id", 0)
        return functional.pad(ids, (0, self.text_length - ids.shape[1]), value=pad_id)

    def temperature_start(self) -> float | None:
        """The temperature stored with the weights."""
        return float(1 / self.clip.logit_scale.detach().exp().max())

    @torch.no_grad()
    def _widths(self) -> tuple[int, int, int]:
        """Widths of pooled features, frame tokens and text tokens, by asking the encoders once."""
        was_training = self.training
        self.eval()
        frames = self.encode_frames(torch.zeros(1, 3, *self.architecture.image_size, dtype=torch.uint8))
        text = self.encode_text(self.tokenize([""]))
        self.train(was_training)
        return frames.pooled.shape[1], frames.tokens.shape[2], text.tokens.shape[2]


def text_mask(ids: Int[Tensor, "b l"], end_of_text: int) -> Bool[Tensor, "b l"]:
    """Positions up to and with the first end-of-text token; all of them where a text has none.

    Id 0 pads, but is a real token too (the "!" of "!;"), so it tells nothing.
    """
    is_end = ids == end_of_text
    ends_before = is_end.long().cumsum(dim=1) - is_end.long()
    return ends_before == 0


def _text_tower(clip: Any) -> Any:
    """The module with the text transformer: open_clip keeps it apart, or flat in the model."""
    return getattr(clip, "text", clip)


def _projected(tower: Any, values: Float[Tensor, "*b w"]) -> Float[Tensor, "*b d"]:
    """Through a text tower's projection into the shared space, if it has one."""
    project = tower.text_projection
    if project is None:
        return values
    return project(values) if isinstance(project, nn.Linear) else values @ project


def _patches_in(visual: Any, patches: Float[Tensor, "n g w"]) -> Float[Tensor, "n g d"]:
    """Patches in the shared space: what the tower's pooling would make of each of them alone."""
    if isinstance(visual, ModifiedResNet):
        return visual.attnpool.c_proj(visual.attnpool.v_proj(patches))
    if not isinstance(visual, VisionTransformer):
        return visual.head(patches)
    if visual.attn_pool is not None:
        pool = visual.attn_pool
        of_values = pool.attn.v_proj_weight
        if of_values is None:
            of_values = pool.attn.in_proj_weight.chunk(3)[2]
        values = functional.linear(pool.ln_k(patches), of_values, pool.attn.in_proj_bias.chunk(3)[2])
        patches = visual.ln_post(pool.attn.out_proj(values))
    return patches if visual.proj is None else patches @ visual.proj


def _pool_type(tower: Any) -> str:
    return getattr(tower, "pool_type", None) or tower.text_pool_type


def _reads_forward(clip: Any) -> bool:
    tower = _text_tower(clip)
    return (
        tower.attn_mask is not None
        and getattr(tower, "cls_emb", None) is None
        and not getattr(tower, "use_pad_mask", False)
        and tower.text_projection is not None
        and _pool_type(tower) in ("argmax", "eos")
    )


def _open_clip_model(config: dict[str, Any]) -> Any:
    settings = deepcopy(config)
    custom_text = settings.pop("custom_text", False)
    try:
        return open_clip.CustomTextCLIP(**settings) if custom_text else open_clip.CLIP(**settings)
    # An unknown key, a value of another type, sizes that do not divide each other: open_clip says which.
    except (TypeError, ValueError, AssertionError) as error:
        raise RecipeError(f"config: open_clip builds no model of it: {error}") from None


def _tokenizer(architecture: Architecture) -> Callable[..., Tensor]:
    text, length = architecture.config["text_cfg"], architecture.context_length
    try:
        if architecture.tokenizer:
            tokenizer = open_clip.get_tokenizer(architecture.tokenizer, context_length=length)
        elif text.get("hf_tokenizer_name"):
            tokenizer = open_clip.tokenizer.HFTokenizer(text["hf_tokenizer_name"], context_length=length)
        else:
            tokenizer = open_clip.SimpleTokenizer(context_length=length)
    # transformers reads it: that may be missing, or the network.
    except (OSError, ImportError) as error:
        named = text.get("hf_tokenizer_name") or architecture.tokenizer
        raise RecipeError(f"name: its tokenizer {named!r} cannot be loaded: {error}") from None
    if isinstance(tokenizer, open_clip.SimpleTokenizer):
        rows = text.get("vocab_size", tokenizer.vocab_size)
        if rows < tokenizer.vocab_size:
            raise RecipeError(
                f"config: text_cfg.vocab_size = {rows} is below the "
                f"{tokenizer.vocab_size} ids of CLIP's tokenizer"
            )
    return tokenizer


def _end_of_text(tokenizer: Any) -> int:
    if isinstance(tokenizer, open_clip.SimpleTokenizer):
        return tokenizer.eot_token_id
    inner = tokenizer.tokenizer
    for end in (inner.eos_token_id, inner.sep_token_id):
        if end is not None:
            return end
    raise RecipeError("name: its tokenizer marks no end of a text, so padding cannot be told from words")


def _checked_limit(token_limit: int, context_length: int) -> int:
    if token_limit > context_length:
        raise RecipeError(f"token_limit = {token_limit}: must be at most the context length {context_length}")
    return token_limit or context_length


def _column(values: tuple[float, ...]) -> Float[Tensor, "3 1 1"]:
    return torch.tensor(values).reshape(3, 1, 1)
