"""Video files, folders of frames and stills to chosen frames, with a health status; no frame is made up."""

from retrieval.video.read import (
    DECODERS,
    Clip,
    Decoder,
    decode_still,
    find_decoder,
    fit,
    is_still,
    list_frames,
    read_video,
)
from retrieval.video.sampling import SAMPLERS, Sampler
from retrieval.video.timeline import Status, Timeline, Unreadable, scan

__all__ = [
    "DECODERS",
    "SAMPLERS",
    "Clip",
    "Decoder",
    "Sampler",
    "Status",
    "Timeline",
    "Unreadable",
    "decode_still",
    "find_decoder",
    "fit",
    "is_still",
    "list_frames",
    "read_video",
    "scan",
]
