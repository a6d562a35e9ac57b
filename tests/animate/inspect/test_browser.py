"""The page in a real browser: it plays, filters and scrubs, is true to the homographies, stays small, and
neither runs what a corpus says nor asks anybody else for anything."""

import contextlib
import shlex
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from animate.camera import view_corners
from animate.flow import optical_flow
from animate.inspect.catalogue import Catalogue, ClipEntry
from animate.inspect.opened import open_set, read_clip
from animate.inspect.originals import find_originals
from animate.inspect.page import written_page
from animate.inspect.site import open_site
from tests.animate.inspect.conftest import HOSTILE
from tests.support.browsing import CONTRASTS, UNLABELLED, Visit, chromium, renderer_bytes, until, visiting
from tests.support.many_clips import many_clips
from tests.support.shard_sets import build_set

#: Corners of the drawn view on the screen, in CSS pixels, and the box of the still.
RECTANGLE = """() => {
  const shape = document.getElementById("now-view"), matrix = shape.getScreenCTM();
  const box = document.querySelector(".still").getBoundingClientRect();
  return { corners: [...shape.points].map((p) => { const q = p.matrixTransform(matrix); return [q.x, q.y]; }),
           box: [box.x, box.y, box.width, box.height] };
}"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


Open = Callable[..., contextlib.AbstractContextManager[Visit]]


@pytest.fixture(scope="module")
def served(browser, catalogue_of) -> Iterator[Open]:
    """Shard set, corpus, what follows the address -> its page, served; nothing may go wrong in it."""
    sites = {}

    @contextlib.contextmanager
    def visit(folder, corpus="", path="", **context) -> Iterator[Visit]:
        if (folder, corpus) not in sites:
            originals = find_originals(open_set(str(folder)), str(corpus))
            site = open_site(catalogue_of(folder), originals, shards=str(folder), source=str(corpus), port=0)
            threading.Thread(target=site.serve, daemon=True).start()
            sites[folder, corpus] = site
        address = sites[folder, corpus].address
        with visiting(browser, address + path, **context) as visit:
            yield visit
            assert visit.wrong == []
            assert visit.elsewhere(address) == []

    yield visit
    for site in sites.values():
        site.stop()
        site.__exit__()


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return many_clips(tmp_path_factory.mktemp("many"), 5000)


def keys_of(page) -> list[str]:
    """The clips whose cards exist, in order."""
    links = page.locator(".card").evaluate_all("cards => cards.map((card) => card.hash)")
    from urllib.parse import parse_qs

    return [parse_qs(link[1:])["clip"][0] for link in links]


def entry_of(catalogue: Catalogue, key: str) -> ClipEntry:
    return next(clip for clip in catalogue.clips if clip.key == key)


def test_five_thousand_clips_are_scrolled_through_in_little_memory(served, many):
    with served(many) as visit:
        page = visit.page
        page.locator(".card canvas").first.wait_for()
        assert page.locator("#found").text_content() == "5,000 clips"
        most = 0
        height = page.evaluate("document.documentElement.scrollHeight")
        assert height > 100_000
        for share in np.linspace(0, 1, 25):
            page.evaluate("top => scrollTo(0, top)", height * float(share))
            page.wait_for_timeout(60)
            most = max(most, page.locator(".card").count())
        page.get_by_text("49 of 50").first.wait_for()
        assert 8 < most < 80
        strips = {address for address in visit.asked if "/strip/" in address}
        assert len(strips) < 25 * 80
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        measured = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
        assert measured["Nodes"] < 20_000
        assert measured["JSHeapUsedSize"] < 100e6
        assert 10e6 < renderer_bytes() < 500e6


def test_filters_leave_the_clips_that_they_say_and_the_address_keeps_them(served, many, catalogue_of):
    catalogue = catalogue_of(many)
    with served(many) as visit:
        page = visit.page
        page.select_option("#component", "dolly")
        wanted = [clip for clip in catalogue.clips if "dolly" in clip.components]
        assert page.locator("#found").text_content() == f"{len(wanted):,} of 5,000 clips"
        page.select_option("#sort", "-speed")
        wanted.sort(key=lambda clip: -round(clip.speed, 2))
        assert keys_of(page)[:8] == [clip.key for clip in wanted[:8]]
        page.fill("#q", "number 7 push")
        wanted = [
            clip
            for clip in wanted
            if all(
                word in "\n".join((clip.key, clip.caption, clip.camera, clip.camera_caption)).lower()
                for word in ("number", "7", "push")
            )
        ]
        assert page.locator("#found").text_content() == f"{len(wanted):,} of 5,000 clips"
        keys = keys_of(page)
        assert keys == [clip.key for clip in wanted[: len(keys)]]
        page.reload()
        assert keys_of(page) == keys and page.input_value("#q") == "number 7 push"
        page.locator(".card").first.click()
        assert page.locator("#clip-view h2").text_content() == keys[0]
        page.go_back()
        assert keys_of(page) == keys
        page.get_by_role("button", name="Clear").click()
        assert page.locator("#found").text_content() == "5,000 clips"
        scale = "close up"
        page.select_option("#scale", scale)
        assert page.locator("#found").text_content() == (
            f"{sum(scale in clip.scales for clip in catalogue.clips):,} of 5,000 clips"
        )


@pytest.mark.parametrize("format", ["mp4", "frames", "virtual"])
def test_a_card_plays_under_the_pointer_and_rests_without(served, demo_set, format):
    with served(demo_set(format)) as visit:
        page = visit.page
        card = page.locator(".card").nth(4)
        card.hover()
        seen = set()
        for _ in range(60):
            seen.add(card.locator(".film").get_attribute("data-frame"))
            page.wait_for_timeout(40)
        assert {"0", "1", "2", "3", "4"} <= seen
        page.mouse.move(2, 2)
        page.wait_for_timeout(150)
        at_rest = card.locator(".film").get_attribute("data-frame")
        page.wait_for_timeout(600)
        assert card.locator(".film").get_attribute("data-frame") == at_rest
        assert at_rest == ("2" if format == "virtual" else None)


def test_what_a_card_shows_is_that_frame(served, demo_set, catalogue_of):
    """Pixels of the canvas against those of the clip."""
    catalogue = catalogue_of(demo_set("frames"))
    with served(demo_set("frames"), path="#clip=cat_1&frame=3") as visit:
        page = visit.page
        page.locator("#clip-view .film[data-frame='3']").wait_for()
        pixels = page.evaluate(
            """() => { const { width, height } = GRID;
            const canvas = document.querySelector("#clip-view .film canvas").getContext("2d");
            return [width, height, [...canvas.getImageData(0, 0, width, height).data]]; }"""
        )
        shown = np.array(pixels[2]).reshape(pixels[1], pixels[0], 4)[..., :3]
        frames = read_clip(catalogue.set, entry_of(catalogue, "cat_1").spot).frames()
        apart = [np.abs(shown - frame.astype(int)).mean() for frame in frames]
        assert int(np.argmin(apart)) == 3 and apart[3] < 9


def test_whoever_wants_less_motion_gets_none_unasked(served, demo_set):
    with served(demo_set("mp4"), reduced_motion="reduce") as visit:
        card = visit.page.locator(".card").first
        card.hover()
        visit.page.wait_for_timeout(700)
        assert card.locator(".film").get_attribute("data-frame") is None


@pytest.mark.parametrize("width", [1280, 390])
def test_the_rectangle_lies_where_the_homography_says_at_every_frame(served, demo_set, catalogue_of, width):
    catalogue = catalogue_of(demo_set("virtual"))
    with served(demo_set("virtual"), viewport={"width": width, "height": 900}) as visit:
        page = visit.page
        for entry in catalogue.clips[::3]:
            page.goto(visit.asked[0].partition("#")[0] + f"#clip={entry.key}")
            page.locator("#clip-view h2", has_text=entry.key).wait_for()
            page.locator("#now-view").wait_for()
            record = read_clip(catalogue.set, entry.spot).record
            wanted = view_corners(np.array(record.homographies).reshape(-1, 3, 3))
            for frame in range(record.num_frames):
                page.locator("#frame").fill(str(frame))
                found = page.evaluate(RECTANGLE)
                left, top, wide, high = found["box"]
                assert high / wide == pytest.approx(record.original_height / record.original_width, rel=0.01)
                expected = np.array([left, top]) + wanted[frame] * (wide, high)
                # The order of corners is each one's own.
                apart = np.abs(np.array(found["corners"])[:, None] - expected[None]).max(axis=-1).min(axis=1)
                assert apart.max() < 1
                page.locator(f"#clip-view .film[data-frame='{frame}']").first.wait_for()


def test_playing_moves_frame_and_rectangle_together(served, demo_set):
    with served(demo_set("mp4"), path="#clip=coffee_0") as visit:
        page = visit.page
        page.get_by_role("button", name="Play").click()
        seen = set()
        for _ in range(60):
            seen.add(
                (
                    page.input_value("#frame"),
                    page.locator("#clip-view .film").first.get_attribute("data-frame"),
                )
            )
            page.wait_for_timeout(30)
        assert {(str(i), str(i)) for i in range(5)} <= seen
        page.keyboard.press("Space")
        frame = page.input_value("#frame")
        page.wait_for_timeout(700)
        assert page.input_value("#frame") == frame
        assert f"frame={frame}" in page.url or frame == "0"


def test_arrows_are_the_optical_flow(served, demo_set, catalogue_of):
    catalogue = catalogue_of(demo_set("virtual"))
    entry = max(catalogue.clips, key=lambda clip: clip.speed)
    table = read_clip(catalogue.set, entry.spot).record.table()
    frame = next(i for i in range(4) if i + 1 not in table["shot_starts"])
    with served(demo_set("virtual"), path=f"#clip={entry.key}&frame={frame}&flow=1") as visit:
        arrows = visit.page.locator("#clip-view .flow")
        arrows.first.wait_for()
        drawn = arrows.evaluate_all("all => all.map((one) => one.dataset.flow.split(' ').map(Number))")
    flow = optical_flow(table, frame, frame + 1)
    lines = len(drawn) // 8
    for i, (u, v) in enumerate(drawn):
        x, y = (i // lines + 0.5) / 8 * 80 - 0.5, (i % lines + 0.5) / lines * 64 - 0.5
        around = flow[int(y) : int(y) + 2, int(x) : int(x) + 2]
        assert np.abs(around.mean(axis=(0, 1)) - (u, v)).max() < 0.5


def test_without_a_still_frames_are_laid_back_where_they_were_filmed(served, hostile_set, catalogue_of):
    folder, _ = hostile_set
    catalogue = catalogue_of(folder)
    entry = catalogue.clips[0]
    record = read_clip(catalogue.set, entry.spot).record
    with served(folder) as visit:
        page = visit.page
        page.locator(".card").first.click()
        page.locator(".laid").last.wait_for()
        for frame in range(record.num_frames):
            page.locator("#frame").fill(str(frame))
            corners = page.evaluate(
                """() => { const laid = [...document.querySelectorAll(".laid")].pop();
                const m = new DOMMatrix(getComputedStyle(laid).transform);
                return [[0, 0], [80, 0], [80, 64], [0, 64]].map(([x, y]) => {
                  const p = new DOMPoint(x, y).matrixTransform(m); return [p.x / p.w, p.y / p.w]; }); }"""
            )
            found = page.evaluate(RECTANGLE)
            on_screen = np.array(corners) + found["box"][:2]
            assert np.abs(on_screen - found["corners"]).max() < 1
        assert "not at hand" in (page.locator(".pair figcaption").first.text_content() or "")


@pytest.mark.parametrize("kind", ["served", "file"])
def test_hostile_texts_are_shown_and_do_nothing(served, browser, hostile_set, catalogue_of, tmp_path, kind):
    folder, corpus = hostile_set
    catalogue = catalogue_of(folder)
    with contextlib.ExitStack() as stack:
        if kind == "served":
            visit = stack.enter_context(served(folder, corpus))
            origin = visit.page.url
        else:
            originals = find_originals(catalogue.set, str(corpus))
            file = tmp_path / "page.html"
            file.write_text(written_page(catalogue, originals, str(folder), str(corpus)), encoding="utf-8")
            visit = stack.enter_context(visiting(browser, file.as_uri()))
            origin = file.as_uri()
        page = visit.page
        assert page.locator(".card").count() == len(HOSTILE)
        for entry, caption in zip(catalogue.clips, HOSTILE, strict=True):
            page.locator(".card").nth(catalogue.clips.index(entry)).hover()
            page.locator(".card").nth(catalogue.clips.index(entry)).click()
            page.locator(".facts ol").wait_for()
            assert page.locator(".facts ol li").first.text_content() == caption
            assert page.locator("#clip-view h2").text_content() == entry.key
            for fold in page.locator("details summary").all():
                fold.click()
            page.keyboard.press("Escape")
            page.locator("#wall").wait_for()
        for view in ("Rejected", "Plots", "Clips"):
            page.get_by_role("link", name=view, exact=view != "Rejected").click()
            page.wait_for_timeout(200)
        page.fill("#q", HOSTILE[1])
        page.goto(f"{origin}#clip={HOSTILE[0]}&view={HOSTILE[0]}&sort={HOSTILE[0]}&component={HOSTILE[1]}")
        page.wait_for_timeout(200)
        page.reload()
        assert page.evaluate("window.harmed") == 0
        assert visit.wrong == []
        assert visit.elsewhere(origin) == []
        if kind == "file":
            assert {
                address.partition("#")[0] for address in visit.asked if not address.startswith("data:")
            } == {origin}


def test_rejected_inputs_are_grouped_and_shown_where_they_decode(served, hostile_set):
    folder, corpus = hostile_set
    with served(folder, corpus) as visit:
        page = visit.page
        page.select_option("#status", "aspect_ratio")
        assert page.locator(".reject").count() == 1 and "status=aspect_ratio" in page.url
        until(page, "document.querySelector('.thumb img')?.naturalWidth > 0")
        page.get_by_role("button", name="aspect_ratio 1").click()
        assert page.locator("#rejected-view section").count() == 4
        page.locator(".reject").nth(3).scroll_into_view_if_needed()
        page.wait_for_timeout(300)
        until(page, "document.querySelectorAll('.reject img').length == 2")
        assert page.get_by_text("zero bytes").count() == 2, "the status's meaning, and the input's message"


def test_the_keyboard_reaches_everything(served, demo_set):
    with served(demo_set("mp4")) as visit:
        page = visit.page
        current = page.locator(".card.current")
        for key, place in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
            page.keyboard.press(key)
            assert current.get_attribute("href") == page.locator(".card").nth(place).get_attribute("href")
        page.locator(".card.current .film[data-frame]").wait_for()  # it plays where the keyboard is
        second = keys_of(page)[1]
        page.keyboard.press("Enter")
        assert page.locator("#clip-view h2").text_content() == second
        page.locator("#frame").wait_for()
        page.keyboard.press("ArrowRight")
        assert page.input_value("#frame") == "1"
        page.keyboard.press("f")
        page.locator("#clip-view .flow").first.wait_for()
        page.keyboard.press("j")
        assert page.locator("#clip-view h2").text_content() != second
        page.keyboard.press("k")
        page.keyboard.press("Escape")
        assert page.locator("#wall").is_visible()
        page.keyboard.press("/")
        page.keyboard.type("jf?")
        assert page.input_value("#q") == "jf?" and not page.locator("#help").is_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("f")
        assert page.evaluate("document.activeElement.id") == "component"
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        assert page.locator("#help").is_visible()
        page.keyboard.press("Escape")
        assert not page.locator("#help").is_visible()


def test_the_command_is_copied(served, demo_set):
    with served(
        demo_set("mp4"), path="#clip=cat_0", permissions=["clipboard-read", "clipboard-write"]
    ) as visit:
        visit.page.get_by_role("button", name="Copy").click()
        visit.page.get_by_role("button", name="Copied").wait_for()
        line = visit.page.evaluate("navigator.clipboard.readText()")
        assert shlex.split(line)[:2] == ["animate", "preview"] and "--clip=cat_0" in shlex.split(line)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_all_text_has_contrast_every_control_a_name_and_nothing_is_cut_off(
    served, hostile_set, scheme, width
):
    folder, corpus = hostile_set
    context = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    with served(folder, corpus, **context) as visit:
        page = visit.page
        key = keys_of(page)[0]
        page.keyboard.press("f")
        base = page.url.partition("#")[0]
        from urllib.parse import quote

        for path in ("#", "#view=rejected", "#view=plots", f"#clip={quote(key)}&flow=1"):
            page.goto(base + path)
            if "clip=" in path:
                page.locator("#frame").wait_for()
            page.wait_for_timeout(300)
            contrasts = page.evaluate(CONTRASTS)
            assert len(contrasts) > 8
            assert {text: round(ratio, 2) for text, ratio in contrasts.items() if ratio < 4.5} == {}, path
            assert page.evaluate(UNLABELLED) == [], path
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_the_mp4_is_played_as_it_is_stored(served, demo_set):
    with served(demo_set("mp4"), path="#clip=coffee_1") as visit:
        page = visit.page
        page.locator("summary", has_text="MP4").click()
        until(page, "document.querySelector('video')?.readyState >= 2")
        size = page.evaluate(
            "(({videoWidth, videoHeight}) => [videoWidth, videoHeight])(document.querySelector('video'))"
        )
        assert size == [80, 64]


def test_a_montage_shows_the_still_of_each_shot(served, tmp_path_factory, catalogue_of):
    folder = build_set(
        tmp_path_factory.mktemp("montage") / "set", "mp4", "shot.edit.stills=2", "shot.edit.shots=[1, 1]"
    )
    catalogue = catalogue_of(folder)
    entry = catalogue.clips[0]
    record = read_clip(catalogue.set, entry.spot).record
    corners = view_corners(np.array(record.homographies).reshape(-1, 3, 3))
    with served(folder, path=f"#clip={entry.key}") as visit:
        page = visit.page
        for frame in (0, record.num_frames - 1, 0):
            page.locator("#frame").fill(str(frame))
            until(page, "document.querySelector('.still img')?.complete")
            page.wait_for_timeout(100)
            image = page.locator(".still img")
            assert f"/{int(frame > 0)}.jpg" in (image.get_attribute("src") or "")
            found = page.evaluate(RECTANGLE)
            natural = image.evaluate("image => image.naturalHeight / image.naturalWidth")
            assert found["box"][3] / found["box"][2] == pytest.approx(natural, rel=0.01)
            expected = np.array(found["box"][:2]) + corners[frame] * found["box"][2:]
            apart = np.abs(np.array(found["corners"])[:, None] - expected[None]).max(axis=-1).min(axis=1)
            assert apart.max() < 1
