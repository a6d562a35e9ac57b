"""The coarse stage's FAISS index of unit vectors."""

from typing import Any

import faiss
import numpy as np
from jaxtyping import Float16

TRAINING_VECTORS = 65_536


def build_codes(vectors: Float16[np.ndarray, "n d"], *, exact: bool) -> Any:
    """The FAISS index of unit vectors: themselves, or four-bit codes of four dimensions each.

    Codes are scanned whole: a query's neighbours need not share a cell with it, as inverted files demand,
    and texts lie in another region than videos do.
    """
    count, width = vectors.shape
    if exact:
        index = faiss.IndexFlatIP(width)
    else:
        parts = max(part for part in range(1, width // 4 + 1) if width % part == 0)
        index = faiss.IndexPQFastScan(width, parts, 4, faiss.METRIC_INNER_PRODUCT)
        sample = np.linspace(0, count - 1, min(count, TRAINING_VECTORS), dtype=np.int64)
        index.train(vectors[sample].astype(np.float32))
    for first in range(0, count, TRAINING_VECTORS):
        index.add(vectors[first : first + TRAINING_VECTORS].astype(np.float32))
    return index
