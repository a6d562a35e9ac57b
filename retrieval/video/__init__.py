"""Video files, folders of frames and stills to chosen frames, with a health status; no frame is made up.

Nothing here loads torch but `fit`, when it is called and there is something to resize.
"""

from retrieval.video.frames import VideoFrames
from retrieval.video.geometry import fit
from retrieval.video.kinds import STILL_SUFFIXES, VIDEO_SUFFIXES, is_still, is_video, printable_path
from retrieval.video.read import DECODERS, Decoder, find_decoder, read_video
from retrieval.video.sampling import SAMPLERS, Sampler
from retrieval.video.source import Status, Unreadable
from retrieval.video.stills import decode_image, list_frames
from retrieval.video.strip import encode_strip
from retrieval.video.times import FrameTimes, read_times

__all__ = [
    "DECODERS",
    "SAMPLERS",
    "STILL_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Decoder",
    "FrameTimes",
    "Sampler",
    "Status",
    "Unreadable",
    "VideoFrames",
    "decode_image",
    "encode_strip",
    "find_decoder",
    "fit",
    "is_still",
    "is_video",
    "list_frames",
    "printable_path",
    "read_times",
    "read_video",
]
