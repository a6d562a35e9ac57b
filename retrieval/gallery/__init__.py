"""A gallery on disk: vectors of the coarse stage, tokens of the fine one, and what each video is.

    gallery.json      what made it, how many, bytes a video
    videos.parquet    id, path, duration, seconds of the frames, state of the file, embedding; a row a video
    coarse.faiss      codes of the vectors, or the vectors themselves while there are few
    vectors.f16       unit vectors, to score exactly those that the codes propose
    tokens.bf16       all tokens of all videos, one after the other; token_starts.npy says whose are which
    frames.bf16       one unit vector a frame, to find the moment; frame_starts.npy likewise

All but the codes stay on disk, memory-mapped: a search reads the entries of its candidates and no others.
"""

from retrieval.gallery.codes import build_codes
from retrieval.gallery.entry import GALLERY_FORMAT, Entry, GalleryRow, LeftOut
from retrieval.gallery.reader import Gallery
from retrieval.gallery.writer import EXACT_UP_TO, GalleryWriter

__all__ = [
    "EXACT_UP_TO",
    "GALLERY_FORMAT",
    "Entry",
    "Gallery",
    "GalleryRow",
    "GalleryWriter",
    "LeftOut",
    "build_codes",
]
