"""What may be connected to, and downloads that must end."""

import socket
import urllib.error

import pytest

from animate.sources.download.guard import Refused, is_public
from tests.support.corpora import PHOTOGRAPH
from tests.support.opening import get


def _refuse() -> None:
    raise ConnectionRefusedError("refused")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.0.8",
        "192.88.99.1",
        "198.19.0.1",
        "64:ff9b:1::808:808",
        "fec0::1",
        "ff02::1",
        "::7f00:1",
        "::808:808",
        "::ffff:0:7f00:1",
        "::ffff:0:808:808",
        "100::1",
        "5f00::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "3fff::1",
        "4000::1",
    ],
)
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
        "192.1.0.1",
        "2400::1",
    ],
)
def test_addresses_that_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.org/x", "data:image/png,x", "gopher://x/"]
)
def test_only_http_and_https(url):
    with pytest.raises(Refused, match=r"\[blocked_address\]"):
        get(url)


def test_a_private_address_is_refused_and_so_is_a_redirect_to_one(server, monkeypatch):
    with pytest.raises(Refused, match=r"\[blocked_address\].*127\.0\.0\.1"):
        get(f"{server}/ok.jpg", allow_private=False)
    # As if the server stood on the internet: only its own address counts as public.
    monkeypatch.setattr("animate.sources.download.guard.is_public", lambda address: address == "127.0.0.1")
    assert get(f"{server}/ok.jpg", allow_private=False) == PHOTOGRAPH
    with pytest.raises(Refused, match=r"\[blocked_address\] 10\.0\.0\.1"):
        get(f"{server}/to_private", allow_private=False)


def test_a_name_is_resolved_once_and_connected_to_what_was_checked(server, monkeypatch):
    answers = iter(["93.184.216.34", "127.0.0.1"])

    def resolve(host, port, **options):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    connected = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, place: connected.append(place[0]) or _refuse())
    with pytest.raises(urllib.error.URLError, match="refused"):
        get("http://rebind.example/x.jpg", allow_private=False)
    assert connected == ["93.184.216.34"]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("endless", r"\[too_many_bytes\]"),
        ("announced", r"\[too_many_bytes\]"),
        ("drip", r"\[download_timed_out\]|timed out"),
        ("slow", r"\[download_timed_out\]|timed out"),
        ("cut", "IncompleteRead"),
        ("to_file", "not allowed|blocked"),
    ],
)
def test_downloads_that_must_end(server, name, error):
    with pytest.raises(Exception, match=error):
        get(f"{server}/{name}")
