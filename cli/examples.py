"""What `--help` of each command ends with: command lines to begin with, which a test parses."""

from collections.abc import Mapping, Sequence

#: By program and command.
EXAMPLES: Mapping[str, Sequence[str]] = {
    "animate build": (
        "animate build --src photos/ --out shards/",
        "animate build --src cc3m --root corpora/ --out s3://bucket/cc3m --size 256",
    ),
    "animate estimate": ("animate estimate --src photos/ --takes 4 --workers 8",),
    "animate status": ("animate status shards/",),
    "animate verify": ("animate verify shards/", "animate verify shards/ --quick --repair"),
    "animate stats": ("animate stats shards/ --out stats.png",),
    "animate inspect": (
        "animate inspect shards/ --serve",
        "animate inspect shards/ --out report.html --limit 200 --sheet sheet.png",
    ),
    "animate materialize": ("animate materialize virtual/ --out videos/ --format mp4",),
    "animate export": (
        "animate export shards/ --to hf --out dataset/",
        "animate export shards/ --to webvid --out webvid/ --split 0.9,0.1",
    ),
    "animate preview": (
        "animate preview photo.jpg --shot documentary --out preview.mp4",
        "animate preview photo.jpg --all --out sheet.png",
    ),
    "animate recipe": ("animate recipe --preset documentary > mine.toml",),
    "animate shots": ("animate shots dolly",),
    "animate sources": ("animate sources cc3m --root corpora/",),
    "animate fetch": ("animate fetch list.csv --out images/",),
    "animate doctor": ("animate doctor --load", "animate doctor --json"),
    "retrieval train": (
        "retrieval train demo",
        "retrieval train msrvtt --out runs/mine --set train.epochs=3",
    ),
    "retrieval eval": (
        "retrieval eval runs/demo",
        "retrieval eval ViT-B-32:openai --data msrvtt --curve 5,10,50,all",
    ),
    "retrieval check": ("retrieval check msrvtt --out faults.jsonl",),
    "retrieval index": (
        "retrieval index runs/demo videos/ --out gallery/",
        "retrieval index runs/demo videos/ --out gallery/ --add --remove-gone",
    ),
    "retrieval search": (
        'retrieval search gallery/ "a dog catches a frisbee" --top 5',
        "retrieval search gallery/ --serve",
    ),
}


def epilog(command: str) -> str | None:
    """The end of the help of `command`, its program before it: lines that are shown as they are."""
    lines = EXAMPLES.get(command)
    return None if lines is None else "\b\n" + "\n".join(("Examples:", *(f"  {line}" for line in lines)))
