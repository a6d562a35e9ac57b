"""Hashes of the official lists. A list under an official name that is another list is refused.

Made by `hash_ids` and `hash_pairs` from the lists that the benchmarks' papers share; the order of a list
does not matter. Captions of VATEX are left out, and of training lists: there only the ids are checked.
"""

from collections.abc import Iterable

from retrieval.datasets.clips import Split, hash_ids
from retrieval.errors import DataError

VIDEOS = {
    "msrvtt 9k train": "ce586ac32b3021aa2b1a0300e70f05e4",
    "msrvtt 7k train": "eccdf5d79b61a0013b27ffbfccdbb4a9",
    "msrvtt full train": "09d01ea2f0d8e97ae0a6d588a28bcb01",
    "msrvtt full validation": "d7c968e5c64e2fa13154e52548c60736",
    "msrvtt full test": "0b1709a8d98f41f5fe5184d4f5124a80",
    "msrvtt 1k-A test": "2d4b6776bc21134e6f392bfb14b2ded2",
    "msvd train": "595cb47bb479a57de4e70def6e0ebf00",
    "vatex train": "45eab1f0122451747c18171fe233f048",
    "msvd validation": "f5b00c90adc096d5eb6a23316cc2126a",
    "vatex validation": "b63314abcfee188345f7a27c7d79a386",
    "msvd test": "18b40eed45c48a27659b648a5896793a",
    "vatex test": "194eb549c9b4d8133cf51ba1929e93b3",
    "vatex test1k5_sec, which shares videos with the validation list": "04268840383b168c03a461e17a475e3f",
}

#: (video, caption) pairs. MSVD's captions go about in several spellings, so there only their number is known.
QUERIES = {
    "msrvtt full validation": "237b3718c3e6ea0582c00ef16ccfa2c6",
    "msrvtt full test": "54e6bd760c58e65284e9337336c88e92",
    "msrvtt 1k-A test": "268aefa4e4a809bcc2beacf6e08e4b91",
}
NUM_QUERIES = {"msvd validation": 4290, "msvd test": 27763}

#: Training lists that share videos with lists to be judged by, and how many.
OVERLAPS = {
    ("msrvtt 9k train", "msrvtt full validation"): 497,
    ("msrvtt 9k train", "msrvtt full test"): 1990,
    ("msrvtt 7k train", "msrvtt full validation"): 497,
}


def check_list(name: str, ids: Iterable[str]) -> None:
    """`DataError` unless `ids` is the official list of that name."""
    ids = list(ids)
    found, known = hash_ids(ids), VIDEOS[name]
    if found != known:
        known_as = next((other for other, value in VIDEOS.items() if value == found), "")
        hint = f"it is the list {known_as!r}" if known_as else "no known list has that hash"
        raise DataError(
            f"split list {name!r}: {len(ids)} videos with hash {found}, but the official list has {known}; "
            f"{hint}"
        )


def check_queries(split: Split) -> None:
    """`DataError` unless the captions of the split are the official ones, where those are known."""
    if split.name in NUM_QUERIES:
        if len(split.captions) != NUM_QUERIES[split.name]:
            raise DataError(
                f"captions of {split.name!r}: {len(split.captions)}, "
                f"but the official ones are {NUM_QUERIES[split.name]}"
            )
        return
    found, known = split.digest(), QUERIES.get(split.name)
    if known is not None and found != known:
        raise DataError(
            f"captions of {split.name!r}: hash {found}, but the official ones have {known}; "
            "an evaluation on others would not be this benchmark"
        )


def shared_videos(training_list_hash: str, test: str) -> int:
    """How many videos a split of that name is known to share with a training list."""
    return sum(
        count
        for (training, judged), count in OVERLAPS.items()
        if VIDEOS[training] == training_list_hash and judged == test
    )
