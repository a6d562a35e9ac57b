"""robots.txt is asked for, and followed."""

import pytest

from animate.sources.download.guard import Refused
from tests.support.corpora import PHOTOGRAPH
from tests.support.hostile_site import HostileSite
from tests.support.opening import opener


def test_robots_txt_is_asked_once_a_site_and_followed(server, monkeypatch):
    monkeypatch.setattr(HostileSite, "robots", b"User-agent: animate\nDisallow: /private\n")
    open_one = opener(robots_token="animate")
    with open_one.open(f"{server}/ok.jpg") as response:
        assert response.read() == PHOTOGRAPH
    monkeypatch.setattr(HostileSite, "robots", b"User-agent: *\nDisallow: /\n")
    with open_one.open(f"{server}/ok.jpg") as response:
        assert response.read() == PHOTOGRAPH
    with pytest.raises(Refused, match=r"\[opted_out\]"):
        open_one.open(f"{server}/private/x.jpg")
    with pytest.raises(Refused, match=r"\[opted_out\]"):
        opener(robots_token="animate").open(f"{server}/ok.jpg")
