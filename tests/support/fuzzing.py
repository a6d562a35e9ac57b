"""What breaks programs: bytes that were changed, and a process in which one that breaks does no harm."""

import faulthandler
import multiprocessing
import resource
import signal
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

#: What numbers in headers are often set to.
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
#: Of one input: of the processor, and by the clock, which other work may stretch.
SECONDS, LONGEST_SECONDS = 20, 200
MEMORY_MB = 4000


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """`data` with one to eight changes: bits, numbers, pieces lost, repeated, moved, or an early end."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        if not changed:
            return b""
        place = int(rng.integers(len(changed)))
        if rng.random() < 0.5:  # near the beginning, where headers are
            place = min(place, int(rng.integers(1, 200)))
        length = int(rng.integers(1, 64))
        match int(rng.integers(7)):
            case 0:
                changed[place] ^= 1 << int(rng.integers(8))
            case 1:
                changed[place] = int(rng.integers(256))
            case 2:
                number = _NUMBERS[int(rng.integers(len(_NUMBERS)))]
                order = "big" if rng.random() < 0.5 else "little"
                changed[place : place + 4] = number.to_bytes(4, order)
            case 3:
                del changed[place : place + length]
            case 4:
                changed[place:place] = changed[place : place + length] * int(rng.integers(1, 40))
            case 5:
                other = int(rng.integers(len(changed)))
                changed[place : place + length] = changed[other : other + length]
            case _:
                if rng.random() < 0.3:
                    del changed[place:]
    return bytes(changed)


def first_that_breaks(check: Callable[[bytes], None], inputs: Sequence[bytes]) -> tuple[bytes, str] | None:
    """The first input with which `check` raises, ends its process or takes too long, and what it said.

    All are checked in one process; where that breaks off, it says at which.
    """
    with tempfile.TemporaryDirectory() as folder:
        at, said = Path(folder) / "at", Path(folder) / "said"
        process = multiprocessing.get_context("fork").Process(target=_run, args=(check, inputs, at, said))
        process.start()
        process.join()
        if process.exitcode == 0:
            return None
        number = int(at.read_text())
        return inputs[number], f"exit code {process.exitcode}\n{said.read_text()[:4000]}"


def _run(check: Callable[[bytes], None], inputs: Sequence[bytes], at: Path, said: Path) -> None:
    with open(said, "w") as words, open(at, "w") as place:
        faulthandler.enable(words)
        limit = MEMORY_MB * 2**20 + _virtual_bytes()
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        for number, data in enumerate(inputs):
            place.seek(0)
            place.write(f"{number:9d}")
            place.flush()
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            signal.alarm(LONGEST_SECONDS)
            try:
                check(data)
            except BaseException:
                traceback.print_exc(file=words)
                raise SystemExit(1) from None


def _virtual_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
