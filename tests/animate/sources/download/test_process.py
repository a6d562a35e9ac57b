"""The process that downloads."""

from animate.data import Sample
from animate.sources.download.process import downloader
from tests.support.address_lists import read_list


def test_a_downloader_that_dies_is_started_again(server, fetch, tmp_path):
    (row,) = read_list(tmp_path, [f"a,{server}/ok.jpg,CC0"], fetch)
    running = downloader(fetch)._process
    assert running is not None
    running._process.kill()
    running._process.wait()
    (row,) = read_list(tmp_path, [f"a,{server}/ok.jpg,CC0"], fetch)
    assert isinstance(row, Sample)
