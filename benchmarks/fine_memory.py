"""Peak memory and seconds of the late-interaction loss over all pairs of a large batch, gradient included.

512 texts of 16 words with 512 videos of 12 frames are 50 million cosines. They are held some rows at a time;
beside it stands what holding all at once takes.

    python benchmarks/fine_memory.py
"""

import resource
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import measure
from retrieval import fine_losses, loss
from retrieval.compute import Compute
from retrieval.fine_losses import FineBatch, late_loss
from retrieval.model import Features, Interaction
from retrieval.recipe import InteractionSpec

CLIPS, WORDS, FRAMES, WIDTH = 512, 16, 12, 512
#: Cosines held at once, by name.
CASES = {
    "all at once": CLIPS * CLIPS * WORDS * FRAMES,
    "by default": fine_losses.COSINES_AT_ONCE,
    "an eighth of that": fine_losses.COSINES_AT_ONCE // 8,
}


def main() -> None:
    options = measure.arguments(__doc__)
    found = {name: _apart(at_once) for name, at_once in CASES.items()}
    measure.write(
        options.results,
        "fine_memory",
        {
            "machine": measure.machine(),
            "batch": {"clips": CLIPS, "words": WORDS, "frames": FRAMES, "width": WIDTH, "head": "tokens"},
            "threads": 1,
            "cases": found,
        },
    )
    rows = [(name, case["peak_mib"], case["seconds"]) for name, case in found.items()]
    columns = ("cosines held", "peak MiB above before", "seconds")
    measure.table("Late-interaction loss and gradient", columns, rows)


def _apart(at_once: int) -> dict[str, Any]:
    """In a process of its own, whose peak is not another's."""
    context = get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measured, (at_once,))


def _measured(at_once: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    fine_losses.COSINES_AT_ONCE = at_once
    generator = torch.Generator().manual_seed(0)

    def features(tokens: int) -> Features:
        return Features(
            pooled=torch.randn(CLIPS, WIDTH, generator=generator).requires_grad_(),
            tokens=torch.randn(CLIPS, tokens, WIDTH, generator=generator).requires_grad_(),
            mask=torch.ones(CLIPS, tokens, dtype=torch.bool),
        )

    text, video = features(WORDS), features(FRAMES)
    interaction = Interaction(
        InteractionSpec(head="tokens", width=512, heads=8),
        text_width=WIDTH,
        frame_width=WIDTH,
        tokens_per_frame=1,
        temperature=0.05,
    )
    batch = FineBatch(
        text=text,
        video=video,
        coarse=torch.zeros(CLIPS, CLIPS),
        negative=loss.negatives(torch.arange(CLIPS), torch.arange(CLIPS)),
        rows=slice(0, CLIPS),
    )
    before = _peak()
    seconds = _seconds(lambda: late_loss(interaction, batch, Compute(device=torch.device("cpu")), scale=1.0))
    assert text.tokens.grad is not None and video.tokens.grad is not None
    return {"cosines_at_once": at_once, "peak_mib": round(_peak() - before), "seconds": round(seconds, 2)}


def _peak() -> float:
    """MiB that this process has had resident at most; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _seconds(function: Callable[[], Any]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
