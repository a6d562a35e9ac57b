"""The journal of a gallery in the making: what was committed survives whatever comes, nothing else does.

about.json       what the gallery is made of; only the same is gone on with
journal.jsonl    a line a commit: its videos, those left out, and how long each data file then was
*.f16, *.bf16, embeddings.f32    only ever appended to; what is beyond the last commit is cut off
"""

import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from retrieval.errors import DataError
from retrieval.gallery.entry import GalleryRow, LeftOut
from retrieval.paths import state_folder
from retrieval.video import printable_path

log = logging.getLogger(__name__)

EMBEDDINGS, VECTORS, TOKENS, FRAMES = "embeddings.f32", "vectors.f16", "tokens.bf16", "frames.bf16"
#: The data files, in the order in which a video's parts go into them.
DATA = (EMBEDDINGS, VECTORS, TOKENS, FRAMES)
_ABOUT, _COMMITS = "about.json", "journal.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """A video whose parts stand in the data files.

    `counts` are its numbers of tokens and of frames, `widths` those of its vectors and of its tokens.
    """

    row: GalleryRow
    counts: tuple[int, int]
    widths: tuple[int, int]


class Journal:
    """The files of the unfinished gallery beside `folder`, opened to be appended to.

    An unfinished gallery about the same is gone on with: `take` is called with every video that was committed
    to it, in order. One about something else is `DataError`, or thrown away with `restart`.
    """

    def __init__(
        self,
        folder: Path,
        about: Mapping[str, Any],
        *,
        restart: bool,
        take: Callable[[Appended | LeftOut], None],
    ) -> None:
        self._folder, self._state = folder, state_folder(folder)
        self._pending: list[Any] = []
        if self._goes_on(json.loads(json.dumps(dict(about))), restart):
            self._cut_to_commits(take)
        self._files: dict[str, IO[bytes]] = {name: (self._state / name).open("ab") for name in DATA}
        self._commits = (self._state / _COMMITS).open("ab")

    @property
    def num_pending(self) -> int:
        """Videos since the last commit."""
        return len(self._pending)

    def append(self, video: Appended, parts: Sequence[bytes]) -> None:
        """A video with its parts, one for each of `DATA`; it counts from the next commit on."""
        for name, part in zip(DATA, parts, strict=True):
            self._files[name].write(part)
        self._pending.append({"row": video.row.to_json(), "counts": video.counts, "widths": video.widths})

    def leave_out(self, video: LeftOut) -> None:
        """A video that is remembered and has no parts."""
        self._pending.append({"left_out": asdict(video)})

    def commit(self) -> None:
        """What was appended so far survives whatever comes."""
        if not self._pending:
            return
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        ends = {name: file.tell() for name, file in self._files.items()}
        self._commits.write(json.dumps({"ends": ends, "videos": self._pending}).encode() + b"\n")
        self._commits.flush()
        os.fsync(self._commits.fileno())
        self._pending = []

    def rows(self) -> Iterator[GalleryRow]:
        """Every video that was ever appended and committed, in order."""
        for line in _whole_lines(self._state / _COMMITS):
            for noted in json.loads(line)["videos"]:
                if isinstance(video := _video(noted), Appended):
                    yield video.row

    def close(self) -> None:
        for file in (*self._files.values(), self._commits):
            file.close()

    def _goes_on(self, about: dict[str, Any], restart: bool) -> bool:
        """Whether an unfinished gallery about the same is there; else everything is ready for a new one."""
        note = self._state / _ABOUT
        before = _read_json(note)
        if before and before == about:
            return True
        if before:
            differing = [key for key in {**before, **about} if before.get(key) != about.get(key)]
            what = ", ".join(f"{key} was {before.get(key)!r}, is {about.get(key)!r}" for key in differing)
            if not restart:
                raise DataError(
                    f"out = {printable_path(self._folder)!r}: an unfinished index is there, made otherwise "
                    f"({what}); finish it with its own command, or delete {printable_path(self._state)}"
                )
            log.warning("the unfinished index of %s is thrown away: %s", printable_path(self._folder), what)
        # The note goes first: a journal must never be taken for one about something else.
        for name in (_ABOUT, _COMMITS, *DATA):
            (self._state / name).unlink(missing_ok=True)
        note.write_text(json.dumps(about), encoding="utf-8")
        return False

    def _cut_to_commits(self, take: Callable[[Appended | LeftOut], None]) -> None:
        """Hand on what was committed, and cut off what came after it."""
        # Each line of the journal says how long every file was when it was written. Commits at 100 and 180
        # bytes, then a crash with 230 bytes in the file: it is cut to 180, and 50 bytes are encoded again.
        # With 150 bytes (the disk lost some), the second line counts no longer, and it is cut to 100.
        ends = dict.fromkeys(DATA, 0)
        whole = 0
        there = {name: path.stat().st_size for name in DATA if (path := self._state / name).exists()}
        for line in _whole_lines(self._state / _COMMITS):
            commit = json.loads(line)
            if any(there.get(name, 0) < end for name, end in commit["ends"].items()):
                break  # a disk that lost what it said it had written
            whole, ends = whole + len(line), commit["ends"]
            for video in commit["videos"]:
                take(_video(video))
        for name, end in {**ends, _COMMITS: whole}.items():
            with (self._state / name).open("ab") as file:
                file.truncate(end)


def _video(noted: Mapping[str, Any]) -> Appended | LeftOut:
    """A video as a line of the journal has it."""
    if "left_out" in noted:
        return LeftOut(**noted["left_out"])
    return Appended(
        row=GalleryRow.from_json(noted["row"]), counts=tuple(noted["counts"]), widths=tuple(noted["widths"])
    )


def _read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file; nothing if it is not there, or was not written to its end."""
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
        return json.loads(path.read_text(encoding="utf-8"))
    return {}


def _whole_lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line
