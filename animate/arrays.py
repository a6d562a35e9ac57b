"""The arrays of pixels that pass between files. Channels are red, green and blue of sRGB, 0..255."""

import numpy as np
from jaxtyping import UInt8

#: One picture or frame.
Picture = UInt8[np.ndarray, "h w 3"]

#: The frames of one clip, in order.
Frames = UInt8[np.ndarray, "t h w 3"]
