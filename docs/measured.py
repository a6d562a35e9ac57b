"""What was measured, as tables for the pages, from the files of `benchmarks/results` alone.

python docs/measured.py   # writes the table of the README anew
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"

#: What stands around the table in the README.
_MARKED = re.compile(r"(<!-- measured: .*? -->\n).*?(<!-- end -->)", flags=re.DOTALL)


def read(name: str) -> dict[str, Any]:
    """The result file called `name`."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def machine(result: Mapping[str, Any]) -> str:
    """What a result was measured on, in a few words: "Intel(R) Xeon(R) Processor, 2 cores"."""
    for facts in (result.get("machine"), result, *(v for v in result.values() if isinstance(v, dict))):
        if isinstance(facts, Mapping) and "machine" in facts and isinstance(facts["machine"], Mapping):
            facts = facts["machine"]
        if isinstance(facts, Mapping) and "cpu" in facts:
            cores = f"{facts['cores']} core{'' if facts['cores'] == 1 else 's'}"
            device = f", {facts['device']}" if "device" in facts else ""
            return f"{facts['cpu']}, {cores}{device}"
    return str(result.get("hardware", "not recorded"))


def headline() -> str:
    """The table of the README."""
    build, memory, gpu = read("build_throughput"), read("memory"), read("gpu")
    search, page = read("search_speed"), read("inspect_page")
    speed = {(row["name"], row["workers"]): row for row in build["rows"]}

    def clips(name: str, workers: int = 1) -> float:
        return speed[name, workers]["clips_per_second"]["median"]

    def median(value: Mapping[str, float]) -> float:
        return value["median"]

    kornia = max(clips(name) for name, workers in speed if name.startswith("kornia") and workers == 1)
    frames, mp4 = clips("animate default frames"), clips("animate default mp4")
    rows = [
        (
            "clips a second of one core, 12 frames of 224x224, as mp4",
            f"{mp4:.0f}; a bare PyAV loop {clips('PyAV loop, perspective'):.0f}, "
            f"ffmpeg's zoompan {clips('ffmpeg zoompan to mp4'):.0f}",
            machine(build),
        ),
        (
            "the same, as frames",
            f"{frames:.0f}; a bare OpenCV loop {clips('OpenCV loop'):.0f}, "
            f"kornia at its best {kornia:.0f}, zoompan {clips('ffmpeg zoompan'):.0f}",
            machine(build),
        ),
        (
            "the same, virtual",
            f"{median(memory['virtual_clips_per_second']['build_shard']):.0f}; "
            f"copying alone {median(memory['virtual_clips_per_second']['copy loop']):.0f}",
            machine(memory),
        ),
        (
            "rendering alone on a GPU, in batches of 32",
            f"{median(gpu['clips_per_second']['cuda, batches of 32']):.0f}; a whole build of frames "
            f"{median(gpu['build_clips_per_second']['cuda']):.0f}, on one core without it "
            f"{median(gpu['build_clips_per_second']['OpenCV']):.0f}",
            machine(gpu),
        ),
        (
            "memory of a worker, 200 and 20,000 samples",
            " and ".join(f"{memory['peak_megabytes']['frames'][n]:.0f} MB" for n in ("200", "20000")),
            machine(memory),
        ),
        (
            f"search among {search['videos']:,} videos (made-up embeddings), one thread",
            f"{median(search['milliseconds']['coarse']):.0f} ms coarse, "
            f"{median(search['milliseconds']['score']):.0f} ms to re-rank {search['candidates']}",
            machine(search),
        ),
        (
            f"`animate inspect` of {page['clips']:,} clips",
            f"first paint after {median(page['milliseconds_to_first_paint']) / 1000:.1f} s",
            machine(page),
        ),
    ]
    return table(("what", "measured", "on"), rows)


def targets() -> str:
    """Every target that a script states and what was measured, a section a result, missed ones in bold."""
    sections = []
    for path in sorted(RESULTS.glob("*.json")):
        result = read(path.stem)
        if not result.get("targets"):
            continue
        rows = []
        for target in result["targets"]:
            bound = (
                f"at least {target['at_least']}" if "at_least" in target else f"at most {target['at_most']}"
            )
            rows.append(
                (target["claim"], str(target["measured"]), bound, "met" if target["met"] else "**missed**")
            )
        met = sum(target["met"] for target in result["targets"])
        head = f"### {path.stem}\n\n{met} of {len(rows)} met. On: {machine(result)}.\n\n"
        sections.append(head + table(("claim", "measured", "asked", ""), rows))
    return "\n".join(sections)


def retrieval() -> str:
    """Recall of the test bed, in per cent with 95 % intervals, for every head and kind of training."""
    result = read("retrieval_real")
    columns = ("t2v coarse R@1", "t2v coarse R@10", "t2v fused R@1", "t2v fused R@10")
    rows = []
    for case, values in result["mean_low_high"].items():
        cells = [
            "{:.1f} ({:.1f} to {:.1f})".format(*values[column]) if column in values else ""
            for column in columns
        ]
        rows.append((case, *cells))
    facts = "\n".join(
        f"- {name}: {result['protocol'][name]}" for name in ("zero-shot", "fine-tuned", "towers", "frames")
    )
    return f"{facts}\n\n{table(('test, head, trained on before', *columns), rows)}"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def with_table(page: str) -> str:
    """The README with its table as the results have it."""
    return _MARKED.sub(lambda found: f"{found[1]}\n{headline()}\n{found[2]}", page)


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_table(readme.read_text(encoding="utf-8")), encoding="utf-8")
