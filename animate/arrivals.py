"""Things that come in any order, each with its place among them, put in order again."""

import pickle
import tempfile
from collections.abc import Iterable, Iterator
from typing import TypeVar

Thing = TypeVar("Thing")


def in_order(arrivals: Iterable[tuple[int, Thing]]) -> Iterator[Thing]:
    """What comes, by place from 0 on, each as soon as all before it are there.

    What comes early waits in a temporary file, so that memory stays flat. Where the places 0, 3, 1, 2 come:

        comes     0    3      1    2
        waits          3      3
        leaves    0           1    2 3
    """
    following, waiting = 0, dict[int, int]()
    with tempfile.TemporaryFile() as file:
        for place, thing in arrivals:
            if place != following:
                waiting[place] = file.seek(0, 2)
                pickle.dump(thing, file)
                continue
            yield thing
            following += 1
            while following in waiting:
                file.seek(waiting.pop(following))
                yield pickle.load(file)
                following += 1
            if not waiting:
                file.truncate(0)
    assert not waiting, f"place {following} never came"


def in_groups(arrivals: Iterable[tuple[int, Thing]], size: int) -> Iterator[tuple[int, list[Thing]]]:
    """Neighbours in groups of `size`, each with its own place, as soon as it is whole; the last may be
    shorter. Where groups of two are made of the places 0, 3, 1, 2, 4, group 0 comes first, then 1, then 2.
    """
    begun: dict[int, dict[int, Thing]] = {}
    for place, thing in arrivals:
        group = begun.setdefault(place // size, {})
        group[place] = thing
        if len(group) == size:
            yield place // size, [group[one] for one in sorted(begun.pop(place // size))]
    for number, group in sorted(begun.items()):
        yield number, [group[one] for one in sorted(group)]
