"""A build on a Ray cluster whose machines leave and join while it runs: real raylets, all on this machine."""

import os
import platform
import signal
import subprocess

import pytest

from animate import cluster as clusters
from animate.build import build_shards
from animate.executor import HERE, Workforce
from animate.shards.verify import verify
from tests.support.shard_sets import all_files, recipe_of


def test_sessions_of_builds_that_were_killed_are_removed_and_no_others(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    owners = {
        "session_dead": f"{platform.node()} {ended.pid}",
        "session_alive": f"{platform.node()} {os.getpid()}",
        "session_elsewhere": f"another-host {ended.pid}",
        "session_odd": "no number",
        "session_of_others": None,
    }
    for name, owner in owners.items():
        (tmp_path / name / "logs").mkdir(parents=True)
        if owner is not None:
            (tmp_path / name / "animate-owner").write_text(owner)
    clusters._remove_sessions_of_the_dead(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(owners.keys() - {"session_dead"})


SETTINGS = ("source.limit=16", "takes=3", "shards.clips_per_shard=3", "video.num_frames=12")


@pytest.fixture
def cluster():
    import ray
    from ray.cluster_utils import Cluster

    assert not ray.is_initialized()
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.mark.filterwarnings("ignore")  # of Ray's own, about sockets of machines that are gone
def test_machines_leave_and_join_while_a_build_runs(cluster, tmp_path):
    recipe = recipe_of("frames", *SETTINGS)
    machines = [cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)]
    changes = []

    def on_progress(progress):
        if progress.shards_finished >= 3 and not changes:
            cluster.remove_node(machines.pop(0), allow_graceful=False)
            changes.append("one left")
        if progress.shards_finished >= 6 and len(changes) == 1:
            cluster.add_node(num_cpus=1)
            changes.append("one joined")
        if progress.shards_finished >= 9 and len(changes) == 2:
            cluster.remove_node(machines.pop(0), allow_graceful=False)
            changes.append("another left")

    workforce = Workforce(workers=None, address=cluster.address)
    report = build_shards(recipe, tmp_path / "cluster", workforce, on_progress=on_progress)
    assert changes == ["one left", "one joined", "another left"]
    assert report.complete and report.failures == ()
    assert (report.inputs, report.clips, dict(report.rejected)) == (48, 48, {})
    assert verify(str(tmp_path / "cluster")) == []
    assert build_shards(recipe, tmp_path / "here", HERE).complete
    assert all_files(tmp_path / "cluster") == all_files(tmp_path / "here")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_ray_shuts_down_is_heard_behind_it(number):
    before = signal.signal(number, signal.default_int_handler)
    ended = []

    def shut_down() -> None:
        with clusters._undisturbed():
            os.kill(os.getpid(), number)
            ended.append("shut down")

    try:
        with pytest.raises(KeyboardInterrupt):
            shut_down()
        assert ended == ["shut down"]
        assert signal.getsignal(number) is signal.default_int_handler
        with clusters._undisturbed():
            pass
        signal.signal(number, signal.SIG_IGN)
        with clusters._undisturbed():
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
