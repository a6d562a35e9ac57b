"""The command line: what options mean, what is printed, and how each run ends."""

import dataclasses
import io
import os
import shlex
import signal
import sys

import pytest
from rich.console import Console

import animate.build as build_module
from animate.apart import can_be_apart
from animate.codec import decode_mp4
from animate.executor import Workforce
from animate.recipe import BuildRecipe
from animate.report import BuildReport, Progress, ShardFailure
from animate.shards.examples import Example
from animate.sources import SourceError
from cli.animate import main as cli
from cli.animate.options import parse_seconds
from cli.animate.progress import BuildProgress
from cli.animate.report import size as size_text

#: What is done without workers is done in a child, where that works.
APART = can_be_apart("cpu")
REPORT = BuildReport(
    out="/somewhere/shards",
    shards_planned=2,
    shards_finished=2,
    shards_made=2,
    inputs=1500,
    clips=1490,
    clips_made=1490,
    rejected={"truncated": 3, "too_small": 7},
    size_bytes=34_500_000,
    seconds=42.0,
    failures=(),
    examples={
        "truncated": Example(key="a", message="the image ends\nat row 3 of 9", parquet="00000.parquet"),
        "too_small": Example(key="b", message="9 x 9 pixels", parquet="00001.parquet"),
    },
)


def run(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `animate ARGUMENTS`."""
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sys, "argv", ["animate", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    signal.signal(signal.SIGTERM, handler)
    return int(ended.value.code or 0), *capsys.readouterr()


@pytest.fixture
def built(monkeypatch) -> dict:
    """What the build was asked for, with a build that does nothing but answer `REPORT`."""
    asked = {}

    def fake(recipe, out, workforce, **settings):
        asked.update(settings, recipe=recipe, out=out, workforce=workforce)
        return asked.get("report", REPORT)

    monkeypatch.setattr(build_module, "build_shards", fake)
    return asked


def test_without_options_the_recipe_is_the_default(monkeypatch, capsys, built):
    assert run(monkeypatch, capsys, "build", "--src", "demo", "--out", "shards")[0] == 0
    assert built["recipe"] == BuildRecipe()
    assert built["out"] == "shards"
    assert (built["workforce"], built["overwrite"]) == (Workforce(apart=APART), False)


@pytest.mark.parametrize("command", [["build", "--out", "x"], ["estimate"]])
def test_a_source_must_be_named_by_an_option_or_a_recipe_file(monkeypatch, capsys, tmp_path, built, command):
    monkeypatch.setattr("animate.estimate.estimate", lambda recipe: built.get("estimate"))
    code, out, err = run(monkeypatch, capsys, *command, "--limit", "1")
    assert (code, out) == (2, "")
    assert err.startswith("animate: --src is missing:")
    assert "--src demo" in err
    (tmp_path / "r.toml").write_text('[source]\nname = "demo"\n')
    for given in (["--recipe", str(tmp_path / "r.toml")], ["--set", "source.name=demo"], ["--src", "demo"]):
        if command[0] == "build":
            assert run(monkeypatch, capsys, *command, *given)[0] == 0
    (tmp_path / "r.toml").write_text("takes = 2\n")
    assert run(monkeypatch, capsys, *command, "--recipe", str(tmp_path / "r.toml"))[0] == 2


def test_an_estimate_names_what_a_list_of_ones_own_has_from_its_preset(monkeypatch, capsys, tmp_path):
    own = '[[shot.shots]]\nname = "mine"\ncomponents.pan = {}\n'
    options = ("--src", "demo", "--limit", "1", "--size", "64", "--frames", "2", "--recipe")
    for text, said in {
        '[shot]\npreset = "webvid_like"\n' + own: "webvid_like' still: max_speed = 60.0\n",
        '[shot]\npreset = "webvid_like"\nmax_speed = 50.0\n' + own: "",
        own: "default' still: edit.shots = [1, 2], edit.transitions = ",
        '[shot]\npreset = "webvid_like"\n': "",
    }.items():
        (tmp_path / "r.toml").write_text(text)
        _, out, _ = run(monkeypatch, capsys, "estimate", *options, str(tmp_path / "r.toml"))
        assert ("shot " in out) == bool(said)
        assert said in out


@pytest.mark.parametrize("command", ["estimate", "plan", "fetch"])
def test_what_foretells_a_build_takes_its_options(monkeypatch, capsys, built, tmp_path, command):
    """Every option of the recipe, and `build`'s own recipe comes of them."""
    (tmp_path / "r.toml").write_text("seed = 3\n[video]\ncrf = 30\n")
    listed = tmp_path / "list.csv"
    listed.write_text("caption,url\na cat,http://x.org/1.jpg\n")
    options = shlex.split(
        f"--urls {listed} --recipe {tmp_path}/r.toml --format frames --takes 5 --sample 0.5 --limit 9 "
        f"--seed 4 --size 320x180 --frames 8 --fps 3 --set video.fps=6 --keep-images {tmp_path}/kept "
        "--allow-private --allow-outside --out x"
    )
    assert run(monkeypatch, capsys, "build", "--src", "urls", *options)[0] == 0
    asked = []

    def stop(recipe, *rest, **settings):
        asked.append(recipe)
        raise SourceError("enough")

    monkeypatch.setattr("animate.estimate.estimate", stop)
    monkeypatch.setattr("animate.fetch.fetch", stop)
    src = ("urls",) if command == "fetch" else ("--src", "urls")
    assert run(monkeypatch, capsys, command, *src, *options)[0] == 2
    wanted = built["recipe"].source if command == "fetch" else built["recipe"]
    assert asked == [wanted]
    assert wanted != type(wanted)()


def test_options_change_the_recipe_and_set_has_the_last_word(monkeypatch, capsys, built, tmp_path):
    (tmp_path / "r.toml").write_text("seed = 3\ntakes = 2\n[video]\ncrf = 30\nfps = 2\n")
    options = "--format frames --takes 5 --limit 9 --size 320x180 --frames 8 --fps 3 --set video.fps=6"
    files = ("--out", "x", "--recipe", str(tmp_path / "r.toml"))
    code, _, _ = run(monkeypatch, capsys, "build", "--src", "demo", *files, *options.split())
    assert code == 0
    recipe, video = built["recipe"], built["recipe"].video
    assert (recipe.seed, recipe.takes, recipe.source.limit) == (3, 5, 9)
    assert (video.format, video.size, video.num_frames, video.fps, video.crf) == (
        "frames",
        (320, 180),
        8,
        6,
        30,
    )


def test_settings_of_the_run_are_no_part_of_the_recipe(monkeypatch, capsys, built):
    options = "--workers 3 --address auto --overwrite --time-limit 30m"
    assert run(monkeypatch, capsys, "build", "--src", "demo", "--out", "x", *options.split())[0] == 0
    assert built["recipe"].digest() == BuildRecipe().digest()
    assert (built["workforce"], built["overwrite"]) == (
        Workforce(workers=3, address="auto", time_limit=1800, apart=APART),
        True,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "video.sise=3"], "unknown key 'sise' in [video]"),
        (["--set", "video.size=225"], "sides must be even"),
        (["--size", "big"], "PIXELS or WxH"),
        (["--format", "gif"], "must be one of mp4, frames, virtual"),
        (["--recipe", "no/such.toml"], "no such file"),
        (["--src", "no/such/corpus"], "no/such/corpus"),
    ],
)
def test_what_cannot_be_meant_is_one_message_and_exit_code_2(
    monkeypatch, capsys, tmp_path, arguments, message
):
    code, out, err = run(
        monkeypatch, capsys, "build", "--src", "demo", "--out", str(tmp_path / "x"), *arguments
    )
    assert (code, out) == (2, "")
    assert err.startswith("animate: ")
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "x").exists()


def test_a_bug_is_no_users_message(monkeypatch, capsys):
    def bug(recipe, out, workforce, **settings):
        raise ValueError("of ours")

    monkeypatch.setattr(build_module, "build_shards", bug)
    monkeypatch.setattr(sys, "argv", ["animate", "build", "--src", "demo", "--out", "x"])
    with pytest.raises(ValueError, match="of ours"):
        cli.main()


def test_the_summary_says_what_came_of_it(monkeypatch, capsys, built):
    _, out, err = run(monkeypatch, capsys, "build", "--src", "demo", "--out", "x")
    assert out.splitlines() == [
        "clips     1,490 of 1,500 inputs",
        "rejected  10 (truncated 3, too_small 7)",
        "shards    2 of 2",
        "size      34.5 MB",
        "time      42.0 s, 35.5 clips/s",
        "where     /somewhere/shards",
        "too_small 7, such as 'b' (00001.parquet): 9 x 9 pixels",
        "truncated 3, such as 'a' (00000.parquet): the image ends at row 3 of 9",
        "all of them: `status` and `error_message` in /somewhere/shards/*.parquet",
    ]
    assert err == ""


def changed(**fields) -> BuildReport:
    names = BuildReport.__dataclass_fields__
    return BuildReport(**{**{name: getattr(REPORT, name) for name in names}, **fields})


def test_the_summary_says_when_most_shots_were_held_back(monkeypatch, capsys, built):
    built["report"] = changed(shots=2000, shots_held_back=1000)
    assert "scaled below" not in run(monkeypatch, capsys, "build", "--src", "demo", "--out", "x")[1]
    built["report"] = changed(shots=2000, shots_held_back=1001)
    lines = run(monkeypatch, capsys, "build", "--src", "demo", "--out", "x")[1].splitlines()
    assert lines[-1] == (
        "1,001 of 2,000 shots had to be scaled below 0.3 of what was drawn to keep the bounds of [shot] on "
        "these stills."
    )


def test_the_summary_says_when_filming_held_up_a_download(monkeypatch, capsys, built):
    built["report"] = changed(filming_share=0.3)
    assert "filming took" not in run(monkeypatch, capsys, "build", "--src", "demo", "--out", "x")[1]
    built["report"] = changed(filming_share=0.906)
    lines = run(monkeypatch, capsys, "build", "--src", "demo", "--out", "x")[1].splitlines()
    assert lines[-1] == (
        "filming took 91% of the time, waiting for images the rest: more --workers or --format virtual "
        "would be faster."
    )


def test_a_build_with_nothing_to_do_says_so(monkeypatch, capsys, built):
    built["report"] = changed(shards_made=0, clips_made=0)
    code, out, _ = run(monkeypatch, capsys, "build", "--src", "demo", "--out", "x")
    assert (code, out.splitlines()[0]) == (0, "Nothing to do: every shard is finished.")


def test_a_build_with_nothing_to_do_and_without_a_clip_does_not_say_that_all_is_well(
    monkeypatch, capsys, built
):
    built["report"] = changed(shards_made=0, clips=0, clips_made=0, rejected={"missing_caption": 1500})
    code, out, err = run(monkeypatch, capsys, "build", "--src", "demo", "--out", "x")
    assert (code, out.splitlines()[0]) == (1, "Every shard is finished already, without a single clip.")
    assert "no clip came of 1,500 inputs: missing_caption" in err


def test_a_build_without_a_clip_is_no_success(monkeypatch, capsys, built):
    dead = {"opted_out": 3, "failed_to_download": 1497}
    built["report"] = changed(clips=0, clips_made=0, rejected=dead)
    code, _, err = run(monkeypatch, capsys, "build", "--src", "demo", "--out", "x")
    assert code == 1
    assert "no clip came of 1,500 inputs: failed_to_download, the address gave no image" in err
    assert err.endswith("says why of each, and --retry-failed tries again\n")


def test_failed_shards_are_listed_and_the_exit_code_is_1(monkeypatch, capsys, built):
    failure = ShardFailure(name="00001", attempts=3, message="KeyError: 'x'", details="Traceback: deep down")
    built["report"] = changed(shards_finished=1, failures=(failure,))
    code, _, err = run(monkeypatch, capsys, "build", "--src", "demo", "--out", "x")
    assert code == 1
    assert "shard 00001 failed 3 times: KeyError: 'x'" in err
    assert "deep down" in err
    assert "1 shard is not finished" in err


def test_an_interrupted_build_ends_with_130_and_a_word_on_how_to_go_on(monkeypatch, capsys):
    def interrupted(recipe, out, workforce, *, on_progress, **settings):
        on_progress(
            Progress(shards_planned=9, shards_finished=4, inputs_planned=90, inputs=40, clips=40, rejected=0)
        )
        raise KeyboardInterrupt

    monkeypatch.setattr(build_module, "build_shards", interrupted)
    code, _, err = run(monkeypatch, capsys, "build", "--src", "demo", "--out", "x")
    assert code == 130
    assert "stopped with 4 of 9 shards finished; the same command goes on from there" in err


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200)])
def test_a_time_limit_is_seconds_minutes_or_hours(text, seconds):
    assert parse_seconds(text) == seconds


def test_a_time_limit_of_another_form_is_a_usage_error(monkeypatch, capsys):
    code, _, err = run(monkeypatch, capsys, "build", "--src", "demo", "--out", "x", "--time-limit", "soon")
    assert code == 2
    assert "'soon': write seconds, or 90s, 30m, 2h" in " ".join(err.split())


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (2_500_000, "2.5 MB"), (10**13, "10.0 TB")],
)
def test_sizes_are_decimal(size, text):
    assert size_text(size) == text


def progress_text(states: list[Progress], *, terminal: bool, monkeypatch) -> str:
    """What the progress shows of builds' states, one every 60 seconds."""
    clock = iter(range(0, 6000, 60))
    monkeypatch.setattr("cli.animate.progress.time.monotonic", lambda: float(next(clock)))
    screen = io.StringIO()
    with BuildProgress(Console(file=screen, force_terminal=terminal, width=120)) as progress:
        for state in states:
            progress.show(state)
    return screen.getvalue()


def states(inputs_planned: int | None) -> list[Progress]:
    return [
        Progress(
            shards_planned=4,
            shards_finished=done,
            inputs_planned=inputs_planned,
            inputs=1000 * done,
            clips=990 * done,
            rejected=10 * done,
        )
        for done in range(1, 4)
    ]


@pytest.mark.parametrize("inputs_planned", [4000, None])
def test_progress_shows_speed_rejections_and_time_left(monkeypatch, inputs_planned):
    """Speed counts this run alone: the first shard was there before."""
    lines = progress_text(states(inputs_planned), terminal=False, monkeypatch=monkeypatch).splitlines()
    assert lines[-1] == "3/4 shards, 2,970 clips, 16.5 clips/s, 30 rejected, 0:01:00 left"


def test_a_thousand_inputs_without_a_clip_are_told_of_once(monkeypatch):
    told = [dataclasses.replace(state, clips=0, rejected=state.inputs) for state in states(4000)]
    text = progress_text(told, terminal=False, monkeypatch=monkeypatch)
    assert text.count("none of the first 1,000 inputs became a clip") == 1
    few = [dataclasses.replace(state, inputs=999, clips=0) for state in states(4000)]
    assert "became" not in progress_text(few, terminal=False, monkeypatch=monkeypatch)


def test_a_terminal_gets_a_bar(monkeypatch):
    text = progress_text(states(4000), terminal=True, monkeypatch=monkeypatch)
    assert "3/4 shards, 2,970 clips, 16.5 clips/s, 30 rejected" in text


def test_preview_films_as_a_recipe_says(monkeypatch, capsys, tmp_path):
    """The shot list, the frames and the seed are the recipe's, but for what options say."""
    recipe, out = tmp_path / "mine.toml", tmp_path / "clip.mp4"
    recipe.write_text(
        'name = "mine"\nseed = 3\n[shot]\npreset = "montage"\n[video]\nnum_frames = 9\nfps = 3\n'
    )
    told = []
    for _ in range(2):
        code, printed, stderr = run(
            monkeypatch, capsys,
            "preview", "--recipe", str(recipe), "--size", "96x64", "--out", str(out),
        )  # fmt: skip
        assert code == 0, stderr
        told.append((printed, out.read_bytes()))
    assert told[0] == told[1]
    assert decode_mp4(out.read_bytes()).shape == (9, 64, 96, 3)
    label = told[0][0].splitlines()[0]
    assert label.count(", cut to ") + label.count(", dissolve to ") == 2, "three stills, three shots"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--shot", "pan"), "leave out --all and --shot"),
        (("--all",), "leave out --all and --shot"),
        (("--size", "96by64"), "size"),
        (("--frames", "0"), "num_frames = 0"),
    ],
)
def test_preview_refuses_what_its_recipe_cannot_mean(monkeypatch, capsys, tmp_path, options, message):
    recipe = tmp_path / "mine.toml"
    recipe.write_text("seed = 3")
    code, _, stderr = run(monkeypatch, capsys, "preview", "--recipe", str(recipe), *options)
    assert code == 2
    assert message in stderr


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_preview_opens_nothing_that_never_ends(monkeypatch, capsys, tmp_path, make):
    make(tmp_path / "a.jpg")
    code, _, stderr = run(monkeypatch, capsys, "preview", str(tmp_path / "a.jpg"))
    assert code == 2
    assert "no such file" in stderr
