"""Pictures for people: PNG sheets and animated GIFs."""

import io

from PIL import Image

from animate.arrays import Frames, Picture


def encode_png(picture: Picture) -> bytes:
    """`picture` as a PNG."""
    with io.BytesIO() as stream:
        Image.fromarray(picture).save(stream, "PNG", optimize=True)
        return stream.getvalue()


def encode_gif(frames: Frames, fps: float) -> bytes:
    """`frames` as an endless animated GIF with one palette for all of them, so that nothing flickers.

    GIF counts time in hundredths of a second: `fps` is met to within that.
    """
    t, h, w, _ = frames.shape
    palette = Image.fromarray(frames.reshape(t * h, w, 3)).quantize(256)
    images = [Image.fromarray(frame).quantize(palette=palette) for frame in frames]
    with io.BytesIO() as stream:
        images[0].save(
            stream, "GIF", save_all=True, append_images=images[1:], duration=round(1000 / fps), loop=0
        )
        return stream.getvalue()
