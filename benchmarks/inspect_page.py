"""How soon the page of `animate inspect --serve` shows 5,000 clips, and what memory it takes, in Chromium.

The clips are virtual, of eight frames, 96 x 96. A fresh window opens the page in each round: when the browser
painted first, when the first clip was seen, and what its renderer holds when all of the wall has been
scrolled through. `--picture FILE` writes the README's picture in place of all that.

    python benchmarks/inspect_page.py [--quick] [--picture docs/inspect.png]
"""

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from animate.build import build_shards
from animate.executor import HERE
from animate.inspect.catalogue import read_catalogue
from animate.inspect.opened import open_set
from animate.inspect.originals import find_originals
from animate.inspect.site import open_site
from animate.recipe import read_recipe
from benchmarks import measure
from tests.support.browsing import chromium, renderer_bytes, visiting
from tests.support.many_clips import many_clips

CLIPS, ROUNDS = 5000, 5
#: Of the picture: the clip, its frame, and the window in CSS pixels.
PICTURED, WINDOW = "rocket_18", {"width": 1100, "height": 690}


def main() -> None:
    options = measure.arguments(__doc__, picture="")
    if options.picture:
        take_picture(Path(options.picture))
        return
    machine = measure.machine()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        shards = str(many_clips(Path(folder) / "many", 500 if options.quick else CLIPS))
        built = time.perf_counter()
        with served(shards) as (address, page_bytes), chromium() as browser:
            listening = time.perf_counter()
            rounds = [round_of(browser, address) for _ in range(1 + (2 if options.quick else ROUNDS))][1:]
    result = {
        "machine": machine,
        "clips": 500 if options.quick else CLIPS,
        "page_bytes": page_bytes,
        "seconds_to_build": round(built - started, 1),
        "seconds_to_listen": round(listening - built, 2),
    }
    spreads = {name: measure.Spread.of([one[name] for one in rounds]) for name in rounds[0]}
    targets = [
        measure.target(
            "first paint of 5,000 clips under 2 s",
            spreads["milliseconds_to_first_paint"].median / 1000,
            2.0,
            at_most=True,
        ),
        measure.target(
            "memory of its renderers under 500 MB", spreads["renderer_megabytes"].median, 500.0, at_most=True
        ),
    ]
    measure.table("The page", ("measured", "in rounds"), spreads.items())
    measure.print_targets(targets)
    result |= {name: spread.to_json() for name, spread in spreads.items()} | {"targets": targets}
    measure.write(options.results, "inspect_page", result)


def round_of(browser, address: str) -> dict[str, float]:
    """One visit in a fresh window."""
    with visiting(browser, address) as visit:
        page = visit.page
        page.locator(".film[data-frame]").first.wait_for()
        seen = page.evaluate("performance.now()")
        [painted] = page.evaluate(
            "performance.getEntriesByName('first-contentful-paint').map((entry) => entry.startTime)"
        )
        height = page.evaluate("document.documentElement.scrollHeight")
        for step in range(25):
            page.evaluate("top => scrollTo(0, top)", height * step / 24)
            page.wait_for_timeout(80)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
        assert not visit.wrong, visit.wrong
        return {
            "milliseconds_to_first_paint": painted,
            "milliseconds_to_first_clip": seen,
            "renderer_megabytes": renderer_bytes() / 1e6,
            "script_heap_megabytes": metrics["JSHeapUsedSize"] / 1e6,
        }


@contextmanager
def served(shards: str) -> Iterator[tuple[str, int]]:
    """Address and bytes of the page of a set."""
    import urllib.request

    shard_set = open_set(shards)
    catalogue, originals = read_catalogue(shard_set), find_originals(shard_set, "")
    with open_site(catalogue, originals, shards=Path(shards).name, source="", port=0) as site:
        threading.Thread(target=site.serve, daemon=True).start()
        with urllib.request.urlopen(site.address) as page:
            size = len(page.read())
        yield site.address, size
        site.stop()


def take_picture(path: Path) -> None:
    """A clip of the demo in its view, in few enough colours for a small file."""
    from io import BytesIO

    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "shards")
        build_shards(read_recipe(None, ["takes=20", "video.format=virtual"]), out, workforce=HERE)
        with (
            served(out) as (address, _),
            chromium() as browser,
            visiting(browser, f"{address}#clip={PICTURED}&frame=9&flow=1", viewport=WINDOW) as visit,
        ):
            visit.page.locator("#now-view").wait_for()
            visit.page.wait_for_timeout(1000)
            picture = Image.open(BytesIO(visit.page.screenshot()))
    picture.convert("RGB").quantize(192, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
