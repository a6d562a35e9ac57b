"""What happens in a build, for programs that watch it: lines of JSON, and a file of metrics for Prometheus.

`build` tells of these events; every line of the log has `time` (UTC) and `event`, and then

    began             out, digest (of the recipe), versions, planned_shards, planned_inputs (null if unknown)
    shard_begun       shard, attempt
    shard_finished    shard, attempts, inputs, clips, rejected (status to count), seconds
    attempt_failed    shard, attempt, message: the shard is tried again, or given up
    worker_lost       the same, where the process or machine that made the shard was lost
    ended             complete; shards, inputs, clips, rejected of the whole set; clips_made, retries, seconds
    stopped           message: an error, or Ctrl-C, ended the build before its end

`progress`, with the clips so far, comes twice a second and is for metrics alone.
"""

import contextlib
import json
import logging
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from animate.errors import UserError

log = logging.getLogger(__name__)

#: Told of an event: its name, and what it has, by keyword.
OnEvent = Callable[..., None]

#: Seconds between two writings of the metrics.
METRICS_SECONDS = 10.0


def unheard(event: str, **fields: Any) -> None:
    """An `OnEvent` for builds that nobody watches."""


@contextlib.contextmanager
def watched(log_file: str = "", metrics_file: str = "", *, out: str = "") -> Iterator[OnEvent]:
    """What tells the log and the metrics, where they are wanted; metrics are labelled with `out`.

    The log is appended to. Raises `UserError` where a file cannot be written at the beginning; later that is
    logged once, and the build goes on without.
    """
    listeners: list[OnEvent] = []
    with contextlib.ExitStack() as opened:
        for name, path, listener in (("log", log_file, EventLog), ("metrics", metrics_file, Metrics)):
            if path:
                try:
                    found = listener(path, out)
                except OSError as error:
                    raise UserError(f"{name} = {path!r}: {error.strerror or error}") from None
                opened.callback(found.close)
                listeners.append(_quiet(found.on_event, path))

        def on_event(event: str, **fields: Any) -> None:
            for listener in listeners:
                listener(event, **fields)

        yield on_event


class EventLog:
    """A file of JSON lines, one an event, each there as soon as it happened."""

    def __init__(self, path: str, out: str) -> None:
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115

    def on_event(self, event: str, **fields: Any) -> None:
        """One more line; that a build is still going on is none."""
        if event == "progress":
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event, **fields}, ensure_ascii=False)
        self._file.write(line.encode("utf-8", "replace").decode() + "\n")
        self._file.flush()

    def close(self) -> None:
        """What could not be written was told of already."""
        with contextlib.suppress(OSError):
            self._file.close()


class Metrics:
    """A file in Prometheus's text format, as node_exporter's textfile collector reads it.

    Counters are of the finished shards of the whole set, with those that earlier runs made, and of the
    retries of this run. Written whole or not at all, every `METRICS_SECONDS` and at the end.
    """

    def __init__(self, path: str, out: str) -> None:
        self._path, self._out = Path(path), out
        self._planned_clips: int | None = None
        self._planned_shards = self._shards = self._clips = self._retries = 0
        self._rejected: Counter[str] = Counter()
        self._speed = 0.0
        self._last: tuple[float, int] | None = None
        self._written = -METRICS_SECONDS
        self._write()

    def on_event(self, event: str, **fields: Any) -> None:
        """What the event has is in the file, a little later."""
        if event == "began":
            self._planned_clips, self._planned_shards = fields["planned_inputs"], fields["planned_shards"]
            self._shards, self._clips = fields["finished_shards"], fields["clips"]
            self._rejected = Counter(fields["rejected"])
        elif event == "shard_finished":
            self._shards += 1
            self._clips += fields["clips"]
            self._rejected.update(fields["rejected"])
        elif event in ("attempt_failed", "worker_lost"):
            self._retries += 1
        elif event == "progress":
            self._measure(fields["clips"])
        elif event == "ended":  # retries of rows and dropped doubles change what was counted before
            self._shards, self._clips = fields["shards"], fields["clips"]
            self._rejected = Counter(fields["rejected"])
        if event in ("began", "ended", "stopped"):
            self._speed = 0.0
            self._write()
        elif time.monotonic() - self._written >= METRICS_SECONDS:
            self._write()

    def close(self) -> None:
        """Nothing is left open."""

    def _measure(self, clips: int) -> None:
        """The speed since the last time that this was asked for, at least a second ago."""
        now = time.monotonic()
        if self._last is None:
            self._last = (now, clips)
        elif now - self._last[0] >= 1:
            self._speed = max(0.0, (clips - self._last[1]) / (now - self._last[0]))
            self._last = (now, clips)

    def _write(self) -> None:
        self._written = time.monotonic()
        rejected = {f'status="{status}"': count for status, count in sorted(self._rejected.items())}
        lines = [
            *self._metric("clips_total", "counter", "Clips in finished shards.", {"": self._clips}),
            *self._metric("rejected_total", "counter", "Inputs of finished shards without clip.", rejected),
            *self._metric("shards_total", "counter", "Finished shards.", {"": self._shards}),
            *self._metric("retries_total", "counter", "Attempts at shards that failed.", {"": self._retries}),
            *self._metric("clips_per_second", "gauge", "Speed of late.", {"": round(self._speed, 3)}),
            *self._metric("planned_shards", "gauge", "Shards of the plan.", {"": self._planned_shards}),
        ]
        if self._planned_clips is not None:
            told = "Clips of the plan, if no input is rejected."
            lines += self._metric("planned_clips", "gauge", told, {"": self._planned_clips})
        # The collector reads files that end in .prom, and so never this one.
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
            os.chmod(name, 0o644)  # another user collects it
            os.replace(name, self._path)
        except BaseException:
            os.unlink(name)
            raise

    def _metric(self, name: str, kind: str, told: str, values: Mapping[str, float]) -> list[str]:
        out = self._out.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        return [
            f"# HELP animate_{name} {told}",
            f"# TYPE animate_{name} {kind}",
            *(
                f"animate_{name}{{{','.join(filter(None, (f'out={chr(34)}{out}{chr(34)}', label)))}}} {value}"
                for label, value in values.items()
            ),
        ]


def _quiet(listener: OnEvent, path: str) -> OnEvent:
    """The listener, which is no longer told after it could not write."""
    broken = []

    def told(event: str, **fields: Any) -> None:
        if broken:
            return
        try:
            listener(event, **fields)
        except OSError as error:
            broken.append(error)
            log.warning("%s: %s; nothing more is written there", path, error.strerror or error)

    return told
