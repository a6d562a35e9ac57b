"""A gallery asked with words: coarse on all, fine on the candidates, and the moment in each video found."""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from retrieval.ahead import check_search
from retrieval.compute import Compute
from retrieval.gallery import Gallery
from retrieval.model import Retriever
from retrieval.recipe import Precision
from retrieval.score import rescore


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One video found. `score` orders the hits; `fine` is None without a fine stage.

    `coarse` is cosine over temperature. `rank` and `coarse_rank` count from 1, among the candidates: the
    video's place by `score`, and by `coarse` alone. `moment` is the second of the frame that fits the words
    best; the passage that it stands for reaches from `moment` to `moment_end`. That is frame `frame` (from 0)
    of the `num_frames` that were indexed; `row` is the video's place in the gallery.
    """

    video_id: str
    path: str
    row: int
    rank: int
    coarse_rank: int
    score: float
    coarse: float
    fine: float | None
    moment: float
    moment_end: float
    frame: int
    num_frames: int
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """Hits, best first, those that the coarse stage alone would give, and what the search cost."""

    hits: tuple[Hit, ...]
    coarse_hits: tuple[Hit, ...]
    milliseconds: dict[str, float]
    num_videos: int
    num_read: int


@torch.no_grad()
def search(
    model: Retriever,
    gallery: Gallery,
    text: str,
    *,
    top: int,
    candidates: int,
    device: torch.device,
    precision: Precision = "fp32",
    clock: Callable[[], float] = time.perf_counter,
) -> SearchResult:
    """The `top` videos for a text; the fine stage reads and scores `candidates` entries of the gallery."""
    check_search(text, top=top, candidates=candidates)
    started = clock()
    with Compute(device=device, precision=precision).autocast():
        words = model.encode_text(model.tokenize([text]).to(device)).float()
    encoded = clock()
    rows, cosines = gallery.coarse(words.pooled[0].float().cpu().numpy(), candidates)
    coarse = torch.from_numpy(cosines).float() / model.temperature().cpu()
    proposed = clock()
    with Compute(device=device, precision=precision).autocast():
        again = rescore(
            model.interaction,
            words,
            lambda columns: gallery.features(rows[columns.numpy()]).to(device),
            coarse[None],
            top_k=None,  # the gallery's candidates are all that there are here
            rows="text",
        )
    score = coarse if again.fused is None else again.fused[0]
    joint = None if again.joint is None else again.joint[0]
    order = torch.argsort(score, descending=True, stable=True).tolist()
    coarse_order = torch.argsort(coarse, descending=True, stable=True).tolist()
    rescored = clock()
    unit = torch.nn.functional.normalize(words.pooled[0].float().cpu(), dim=0)
    ranks, coarse_ranks = ({i: rank for rank, i in enumerate(one, 1)} for one in (order, coarse_order))

    @functools.cache
    def hit(i: int) -> Hit:
        row = gallery.row(int(rows[i]))
        best = int((gallery.frame_vectors(int(rows[i])) @ unit).argmax())
        ends = [*row.seconds[1:], row.duration]
        return Hit(
            video_id=row.video_id,
            path=row.path,
            row=int(rows[i]),
            rank=ranks[i],
            coarse_rank=coarse_ranks[i],
            score=float(score[i]),
            coarse=float(coarse[i]),
            fine=None if joint is None else float(joint[i]),
            moment=row.seconds[best],
            moment_end=max(row.seconds[best], ends[best]),
            frame=best,
            num_frames=len(row.seconds),
            duration=row.duration,
        )

    hits = tuple(hit(i) for i in order[:top])
    ended = clock()
    steps = {"encode": (started, encoded), "coarse": (encoded, proposed), "fine": (proposed, rescored)}
    steps |= {"moments": (rescored, ended), "all": (started, ended)}
    return SearchResult(
        hits=hits,
        coarse_hits=tuple(hit(i) for i in coarse_order[:top]),
        milliseconds={name: 1000.0 * (end - start) for name, (start, end) in steps.items()},
        num_videos=len(gallery),
        num_read=len(rows) if joint is not None else 0,
    )
