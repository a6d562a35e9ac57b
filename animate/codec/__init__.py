"""Bytes to pixels and back: stills in, JPEG and MP4 out. Only this folder imports image and video codecs."""

from animate.codec.errors import UndecodableImage
from animate.codec.jpeg import decode_jpeg, encode_jpeg
from animate.codec.mp4 import declared_frames, decode_mp4, encode_mp4
from animate.codec.picture import encode_gif, encode_png
from animate.codec.signature import image_format
from animate.codec.still import decode_still, still_size

__all__ = [
    "UndecodableImage",
    "declared_frames",
    "decode_jpeg",
    "decode_mp4",
    "decode_still",
    "encode_gif",
    "encode_jpeg",
    "encode_mp4",
    "encode_png",
    "image_format",
    "still_size",
]
