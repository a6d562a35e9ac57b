"""robots.txt is asked for, and followed."""

import http.client
import urllib.error

import pytest

from animate.sources.download.faults import fault_of, may_come_back
from animate.sources.download.guard import Refused
from animate.sources.download.robots import Robots
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


#: A robots.txt, a path, and whether the robot `animate` may fetch it.
RULES = [
    ("User-agent: *\nDisallow: /a\nAllow: /a/b\n", "/a/b/1.jpg", True),
    ("User-agent: *\nAllow: /a\nDisallow: /a/b\n", "/a/b/1.jpg", False),
    ("User-agent: *\nAllow: /a/\nDisallow: /a/\n", "/a/1.jpg", True),
    ("User-agent: *\nDisallow: /*.jpg$\n", "/a/1.jpg", False),
    ("User-agent: *\nDisallow: /*.jpg$\n", "/a/1.jpg?x", True),
    ("User-agent: *\nDisallow: /a*/private\n", "/abc/private/1.jpg", False),
    ("User-agent: *\nDisallow: /caf%C3%A9\n", "/caf%c3%a9/1.jpg", False),
    ("\ufeffUser-agent: *\nDisallow: /\n", "/1.jpg", False),
    ("User-agent: *\nDisallow: /\n\nUser-agent: Animate\nDisallow: /x\n", "/1.jpg", True),
    ("User-agent: other\nUser-agent: animate\nDisallow: /\n", "/1.jpg", False),
    ("User-agent: animate\nDisallow: /x\n\nUser-agent: animate\nDisallow: /1\n", "/1.jpg", False),
    ("User-agent: *\nCrawl-delay: 1\n\nDisallow: /\n", "/1.jpg", False),
    ("User-agent: mate\nDisallow: /\n", "/1.jpg", True),
    ("User-agent: animated\nDisallow: /\n", "/1.jpg", True),
    ("User-agent: *\nDisallow:\n", "/1.jpg", True),
    ("Disallow: /\n", "/1.jpg", True),
    ("<html>no rules</html>", "/1.jpg", True),
]


@pytest.mark.parametrize(("rules", "path", "allowed"), RULES)
def test_rules_are_those_of_rfc_9309(rules, path, allowed):
    assert Robots("animate", lambda url: rules.encode()).allow(f"http://x.org{path}") is allowed


class Site:
    """Gives the answers in turn and counts how often it is asked."""

    def __init__(self, *answers: bytes | Exception):
        self.answers, self.asked = list(answers), 0

    def __call__(self, url: str) -> bytes:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _http(code: int) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("http://x.org/robots.txt", code, "no", http.client.HTTPMessage(), None)


@pytest.mark.parametrize(
    "answer",
    [_http(500), _http(503), _http(429), TimeoutError("timed out"), Refused("download_timed_out", "over")],
)
def test_no_answer_is_not_now_and_then_the_site_is_asked_again(monkeypatch, answer):
    clock = [100.0]
    monkeypatch.setattr("animate.sources.download.robots.time.monotonic", lambda: clock[0])
    site = Site(answer, b"User-agent: *\nDisallow: /x\n")
    robots = Robots("animate", site)
    for _ in range(3):
        with pytest.raises(ConnectionError) as error:
            robots.allow("http://x.org/1.jpg")
        assert may_come_back(fault_of(str(error.value)))
    assert site.asked == 1
    clock[0] += 1.1
    assert robots.allow("http://x.org/1.jpg")
    assert not robots.allow("http://x.org/x.jpg")
    assert site.asked == 2


def test_a_site_that_is_down_is_asked_less_and_less_often(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("animate.sources.download.robots.time.monotonic", lambda: clock[0])
    site = Site(*[TimeoutError("timed out")] * 100)
    robots = Robots("animate", site)
    asked = []
    for _ in range(200):
        with pytest.raises(ConnectionError):
            robots.allow("http://x.org/1.jpg")
        if site.asked > len(asked):
            asked.append(clock[0] - 100)
        clock[0] += 1
    assert asked == [0, 1, 3, 7, 15, 31, 63, 123, 183]


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_site_without_the_file_allows_everything(code):
    assert Robots("animate", Site(_http(code))).allow("http://x.org/1.jpg")
