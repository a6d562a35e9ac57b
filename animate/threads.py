"""Threads, memory and end of a process that works. The parallelism is over shards, so each has one thread."""

import contextlib
import ctypes
import math
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

#: Environment that keeps native libraries to one thread. OpenCV ignores these: `prepare_process`.
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}

#: From <linux/prctl.h>: the signal that a process gets when its parent ends.
_PR_SET_PDEATHSIG = 1


def available_cpus() -> int:
    """CPUs that this process may use: the machine's, less what affinity or a container's quota takes away."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            count = min(count, max(1, math.ceil(int(quota) / int(period))))
    return count


def prepare_process() -> None:
    """Make this process a good worker: one thread for OpenCV and torch, freed memory kept for reuse."""
    import cv2

    cv2.setNumThreads(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    _keep_freed_memory()


@contextlib.contextmanager
def own_threads_restored() -> Iterator[None]:
    """`prepare_process` inside the block; the caller's own thread counts after it."""
    import cv2

    torch = sys.modules.get("torch")
    opencv_threads, torch_threads = cv2.getNumThreads(), torch.get_num_threads() if torch else 0
    prepare_process()
    try:
        yield
    finally:
        cv2.setNumThreads(opencv_threads)
        if torch:
            torch.set_num_threads(torch_threads)


def end_with_parent(parent: int) -> None:
    """On Linux this process is killed when `parent`, which began it, ends: even by SIGKILL, even if this one
    is in native code that never returns."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _keep_freed_memory() -> None:
    """Tell glibc to keep freed megabytes: giving them back costs page faults, half of a worker's time."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library (macOS, musl, Windows): nothing to tune
        return
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    mallopt(trim_threshold, 2**30)
    mallopt(mmap_threshold, 32 * 2**20)  # the most that glibc takes
