"""A build on the screen: its progress, its end, and what Ctrl-C leaves."""

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from animate.report import BuildReport, Progress


#: A build whose workers filmed for this share of their time was held up by that, and not by the network.
_MOSTLY = 0.7
#: Characters of an example's message that are shown.
_MESSAGE = 300


def run_shown(run: "Callable[[Callable[[Progress], None]], BuildReport]") -> None:
    """Calls `run` with what it shall tell its progress, and prints its report.

    Ends the program with 1 if the shard set is not complete or has no clip at all, with 130 after Ctrl-C.
    """
    from .progress import BuildProgress

    with BuildProgress() as progress:
        try:
            report = run(progress.show)
        except KeyboardInterrupt:
            progress.stop()
            print(
                f"\nanimate: stopped with {progress.finished}; the same command goes on from there",
                file=sys.stderr,
            )
            raise typer.Exit(130) from None
    print_report(report)
    if not report.complete or not report.clips:
        raise typer.Exit(1)


def print_report(report: "BuildReport") -> None:
    """The summary on stdout, what failed on stderr."""
    if report.complete and not report.shards_made:
        print(
            "Nothing to do: every shard is finished."
            if report.clips
            else "Every shard is finished already, without a single clip."
        )
    reasons = ", ".join(f"{status} {count:,}" for status, count in report.rejected.items())
    rows = {
        "clips": f"{report.clips:,} of {report.inputs:,} inputs",
        "rejected": f"{sum(report.rejected.values()):,}" + (f" ({reasons})" if reasons else ""),
        "shards": f"{report.shards_finished:,} of {report.shards_planned:,}",
        "size": size(report.size_bytes),
        "time": f"{report.seconds:.1f} s"
        + (f", {report.clips_per_second:.1f} clips/s" if report.clips_made else ""),
        "where": report.out,
    }
    for name, value in rows.items():
        print(f"{name:<9} {value}")
    for line in _rejections(report):
        print(line)
    if report.shots_held_back * 2 > report.shots:
        from animate.fit import HELD_BACK

        print(
            f"{report.shots_held_back:,} of {report.shots:,} shots had to be scaled below {HELD_BACK:g} of "
            "what was drawn to keep the bounds of [shot] on these stills."
        )
    if report.filming_share is not None and report.filming_share > _MOSTLY:
        print(
            f"filming took {report.filming_share:.0%} of the time, waiting for images the rest: more "
            "--workers or --format virtual would be faster."
        )
    for failure in report.failures:
        print(f"shard {failure.name} failed {failure.attempts} times: {failure.message}", file=sys.stderr)
    if report.failures:
        print(f"\nthe last traceback of shard {report.failures[0].name}:", file=sys.stderr)
        print(report.failures[0].details, file=sys.stderr)
    if report.complete and not report.clips:
        print(f"animate: no clip came of {report.inputs:,} inputs{_why(report.rejected)}", file=sys.stderr)
    missing = report.shards_planned - report.shards_finished
    if missing:
        verb = "shard is" if missing == 1 else "shards are"
        print(
            f"animate: {missing:,} {verb} not finished; the same command goes on with the rest",
            file=sys.stderr,
        )


def _rejections(report: "BuildReport") -> Iterator[str]:
    """For each status how many, one example with its message, and at the end where all are."""
    from animate.data import PARQUET, STATUSES

    for status, count in sorted(report.rejected.items(), key=lambda item: -item[1]):
        example = report.examples.get(status)
        such = (
            f"such as {example.key!r} ({example.parquet}): {shortened(example.message)}"
            if example
            else STATUSES[status]
        )
        yield f"{status} {count:,}, {such}"
    if report.examples:
        yield f"all of them: `status` and `error_message` in {report.out}/*{PARQUET}"


def shortened(message: str) -> str:
    """A message on one line, cut where it is long."""
    line = " ".join(message.split())
    return line if len(line) <= _MESSAGE else f"{line[: _MESSAGE - 1]}…"


def _why(rejected: Mapping[str, int]) -> str:
    """What the commonest rejection means, and where each row says more."""
    from animate.data import MENDABLE, STATUSES

    status = max(rejected, key=lambda name: rejected[name], default="")
    means = f": {status}, {STATUSES[status].partition(';')[0]}" if status else ""
    again = ", and --retry-failed tries again" if status in MENDABLE else ""
    return f"{means}; `error_message` in the parquets says why of each{again}"


def size(size_bytes: int) -> str:
    """As 512 bytes, 1.5 MB."""
    number, unit = float(size_bytes), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < 1000:
            break
        number, unit = number / 1000, larger
    return f"{number:,.0f} {unit}" if unit == "bytes" else f"{number:,.1f} {unit}"
