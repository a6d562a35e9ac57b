"""A clip of a set filmed again from its still and its recorded camera, and the command that does so."""

import re
import shlex

from animate.codec import UndecodableImage, decode_still
from animate.errors import UserError
from animate.film import replay_shots, replay_source
from animate.inspect.opened import ShardSet, find_clip, read_clip
from animate.inspect.originals import MADE_OF_VIRTUAL, find_originals, stills_of
from animate.preview import Preview


class StillGone(UserError):
    """A clip cannot be filmed again: what it was filmed from is not at hand."""


def film_again(shard_set: ShardSet, key: str, source: str = "") -> Preview:
    """The clip `key` of a set, frame by frame as it was filmed before it was encoded.

    `source` is where the corpus lies; a virtual clip carries its still. Raises `NoClip` for a
    key that is not there, `StillGone` for a still that is not.
    """
    spot = find_clip(shard_set, key)
    clip = read_clip(shard_set, spot)
    _, images = stills_of(find_originals(shard_set, source), clip, spot)
    if not images:
        if shard_set.plan.of_virtual:
            raise StillGone(f"{key!r}: {MADE_OF_VIRTUAL}")
        where = (
            f"is not at {source!r} as it was" if source else "is not in the set: say where the corpus lies"
        )
        raise StillGone(f"{key!r}: the still of this clip {where} (--source)")
    record = clip.record
    try:
        frames, edit, layers = replay_shots(images, record)
        stills = tuple(decode_still(image, replay_source(record)) for image in images)
    except UndecodableImage as error:
        raise StillGone(f"{key!r}: the still of this clip does not decode here: {error}") from None
    return Preview(
        stills=stills,
        frames=frames,
        layers=layers,
        edit=edit,
        label=record.camera,
        caption=record.camera_caption,
    )


def command_again(shards: str, key: str, source: str = "") -> str:
    """The command line that writes the clip as `film_again` films it, for a POSIX shell."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", key)[:60].strip("_-") or "clip"
    words = ["animate", "preview", f"--shards={shards}", f"--clip={key}"]
    words += [f"--source={source}"] if source else []
    return shlex.join([*words, "--out", f"{name}.mp4"])
