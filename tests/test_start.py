"""How both programs start: their version, help and completion, and what is not loaded for it."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import animate

ROOT = Path(__file__).parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
PROGRAMS = ("animate", "retrieval")
#: What takes seconds to import.
HEAVY = {"torch", "open_clip", "ray", "kornia", "faiss", "transformers", "webdataset", "img2dataset"}
#: What a program does without that only shows what it can do.
COSTLY = HEAVY | {"numpy", "cv2", "pyarrow", "av", "PIL"}


def start(
    program: str, *arguments: str, cwd: Path = ROOT, **environment: str
) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """The program's end, and the top-level modules that it had loaded by then."""
    code = f"""
import json, sys
from cli.{program}.main import main
sys.argv = {[program, *arguments]!r}
try:
    main()
finally:
    print(json.dumps([name for name in sys.modules if "." not in name]), file=sys.stderr)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, env=environment
    )
    *said, modules = done.stderr.splitlines()
    done.stderr = "\n".join(said)
    return done, set(json.loads(modules))


def test_the_package_says_its_version():
    assert animate.__version__ == VERSION


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = animate.no_such_name
    assert set(animate.__all__) <= set(dir(animate))


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_says_its_version(program):
    done, loaded = start(program, "--version")
    assert (done.returncode, done.stdout) == (0, f"{program} {VERSION}\n"), done.stderr
    assert loaded & COSTLY == set()


@pytest.mark.parametrize("program", PROGRAMS)
def test_python_runs_a_program_as_a_module(program):
    done = subprocess.run(
        [sys.executable, "-m", program, "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout) == (0, f"{program} {VERSION}\n"), done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("command", [[], ["COMMAND"]])
def test_h_is_help(program, command):
    names = {"animate": "build", "retrieval": "train"}
    command = [name.replace("COMMAND", names[program]) for name in command]
    (short, loaded), (full, _) = start(program, *command, "-h"), start(program, *command, "--help")
    assert short.returncode == 0 and short.stdout == full.stdout
    assert loaded & COSTLY == set()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_shell_completes_commands_and_options(program):
    words = {
        "animate": ("est", "estimate", "--ta", "--takes"),
        "retrieval": ("tr", "train", "--re", "--resume"),
    }
    part, command, some, option = words[program]
    complete = {f"_{program.upper()}_COMPLETE": "complete_bash"}
    done, loaded = start(program, COMP_WORDS=f"{program} {part}", COMP_CWORD="1", **complete)
    assert done.stdout.split() == [command], done.stderr
    assert loaded & COSTLY == set()
    done, loaded = start(program, COMP_WORDS=f"{program} {command} {some}", COMP_CWORD="2", **complete)
    assert done.stdout.split() == [option], done.stderr
    assert loaded & COSTLY == set()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_help_names_completion(program):
    done, _ = start(program, "--help")
    assert "--install-completion" in done.stdout and "--show-completion" in done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with two photographs that a table captions, a recipe of them, a run, and an empty folder."""
    folder = tmp_path_factory.mktemp("start")
    rows = [{"video": f"{i}.jpg", "captions": [f"photograph {i}"]} for i in range(2)]
    for i, name in enumerate(("coffee", "rocket")):
        (folder / f"{i}.jpg").write_bytes((ROOT / "animate" / "demo" / f"{name}.jpg").read_bytes())
    (folder / "table.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tower = "{ image_size = 32, patch_size = 16, width = 32, layers = 1 }"
    (folder / "recipe.toml").write_text(
        f"""
[model]
random_weights = true
config = {{ embed_dim = 8, vision_cfg = {tower}, text_cfg = {{ width = 32, heads = 1, layers = 1 }} }}
[data]
name = "table"
table = "{folder}/table.jsonl"
[eval]
select_on = "none"
"""
    )
    (folder / "held_out.toml").write_text(
        f'[data]\nname = "table"\nheld_out_table = "{folder}/table.jsonl"\n'
    )
    for name in ("run", "empty", "gallery", "trained"):
        (folder / name).mkdir()
    (folder / "run" / "recipe.json").write_text('{"seed": 123}')
    (folder / "empty.toml").write_text("[video]\n")
    (folder / "orphan").mkdir()
    (folder / "orphan" / "gallery.json").write_text(
        json.dumps({"checkpoint": "/no/such/run", "model": {"name": "RN50"}, "model_digest": "a" * 64})
    )
    (folder / "gallery" / "gallery.json").write_text(
        json.dumps({"checkpoint": "ViT-B-32:openai", "model_digest": "a" * 64})
    )
    video = {"id": "a", "path": f"{folder}/0.jpg", "path_bytes": None}
    pq.write_table(pa.Table.from_pylist([video]), folder / "gallery" / "videos.parquet")
    with (folder / "recipe.toml").open("rb") as file:
        info = {"recipe": tomllib.load(file), "digest": "b" * 64}
    (folder / "trained" / "checkpoint.json").write_text(json.dumps(info))
    return folder


TRAIN = ("train", "{place}/recipe.toml")
JUDGE = ("eval", "ViT-B-32:openai", "--data", "{place}/held_out.toml")
INDEX, SEARCH = ("index", "ViT-B-32:openai"), ("search", "{place}/gallery")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "{place}/nowhere.toml"), "no such file"),
        ((*TRAIN, "--set", "train.epochs=many"), "train.epochs"),
        ((*TRAIN, "--set", "model={{ name = 'ViT-B-33' }}"), "must be a model of open_clip"),
        ((*TRAIN, "--set", "data.table=none.csv"), "where to put it"),
        ((*TRAIN, "--set", "data.table=''"), "table"),
        ((*TRAIN, "--set", "eval.select_on=validation"), "has no validation part"),
        ((*TRAIN, "--device", "tpu"), "device = 'tpu': must be auto, cpu, cuda, cuda:1"),
        ((*TRAIN, "--out", "{place}/run"), "holds a run already"),
        ((*TRAIN, "--out", "{place}/recipe.toml"), "is a file; name a folder"),
        ((*TRAIN, "--out", "{place}/empty", "--resume"), "holds no run to resume"),
        ((*TRAIN, "--out", "{place}/run", "--resume"), "not the one this run began with"),
        ((*TRAIN, "--workers", "0"), "--workers"),
        (("eval", "nothing"), "is not there"),
        (("eval", "ViT-B-32:openai"), "this model comes with none"),
        ((*JUDGE, "--part", "train"), "must be one of validation, test"),
        ((*JUDGE, "--part", "validation"), "has no validation part"),
        ((*JUDGE[:3], "demo"), "shard 'shards/demo' is not there"),
        ((*JUDGE[:3], "msrvtt"), "data/msrvtt/annotations/MSRVTT_data.json"),
        ((*JUDGE[:3], "msrvtt_7k"), "data/msrvtt/annotations/MSRVTT_data.json"),
        ((*JUDGE[:3], "nosuch"), "must be one of shards, msrvtt"),
        ((*JUDGE[:3], "{place}/empty.toml"), "has no table [data]"),
        ((*JUDGE, "--post", "luck"), "post = 'luck': must be one of"),
        ((*JUDGE, "--out", "{place}/curve.png"), "is a picture's name; name a .json file"),
        ((*JUDGE, "--out", "{place}/recipe.toml/x.json"), "recipe.toml is no folder"),
        (("search", "{place}/orphan", "a dog"), "is no longer at /no/such/run; say where it is (--model)"),
        ((*JUDGE, "--post", "query-bank"), "needs the training part's captions"),
        ((*JUDGE, "--device", "cuda:x"), "device = 'cuda:x': must be auto"),
        ((*INDEX, "{place}/nowhere", "--out", "{place}/new"), "no such folder"),
        ((*INDEX, "{place}/empty", "--out", "{place}/new"), "no video or image in it"),
        ((*INDEX, "{place}", "--out", "{place}/new", "--device", "tpu"), "device = 'tpu'"),
        ((*INDEX, "{place}", "--out", "{place}/empty"), "is there already"),
        (("search", "{place}/nowhere", "a dog"), "no gallery there"),
        ((*SEARCH, "a dog", "--device", "tpu"), "device = 'tpu'"),
        ((*SEARCH, " "), "nothing to search for"),
        ((*SEARCH, "a dog", "--top", "0"), "top = 0"),
        ((*SEARCH, "a dog", "--model", "{place}/trained"), "made by other weights"),
        ((*INDEX, "{place}", "--out", "{place}/gallery", "--remove", "b*"), "no video of the gallery"),
        (("check", "{place}/nowhere.toml"), "no such file"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_torch_is_loaded(place, arguments, message):
    done, loaded = start("retrieval", *(argument.format(place=place) for argument in arguments))
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert loaded & HEAVY == set()


def test_the_doctor_loads_nothing_that_takes_seconds():
    done, loaded = start("animate", "doctor")
    assert done.returncode == 0, done.stderr
    assert loaded & HEAVY == set()
