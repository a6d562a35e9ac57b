"""Hashes of lists, and splits that are known again by them."""

from retrieval.datasets import open_dataset, overlaps
from retrieval.datasets.clips import hash_ids, hash_pairs
from retrieval.recipe import DataSpec
from tests.support.annotations import annotations_of


def test_hashes_ignore_order_and_nothing_else():
    assert hash_ids(["a", "b"]) == hash_ids(["b", "a"]) != hash_ids(["ab"])
    assert hash_pairs([("a", "x"), ("b", "y")]) == hash_pairs([("b", "y"), ("a", "x")])
    assert hash_pairs([("a", "x"), ("b", "y")]) != hash_pairs([("a", "y"), ("b", "x")])


def test_lists_without_files_of_their_own_overlap_where_they_are_the_same(videos):
    full = open_dataset(
        DataSpec(name="msrvtt", annotations=annotations_of("msrvtt"), videos=videos, split="full")
    )
    validation, test = full.part("validation"), full.part("test")
    assert overlaps(validation.fingerprint(), validation)
    assert not overlaps(validation.fingerprint(), test)
    assert not overlaps({}, test)
