"""The server for this machine's browser: who may ask it, what can be asked for, and how it is answered."""

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPMessage, parse_headers
from io import BytesIO

import pytest

from animate.loopback import (
    POLICY,
    Loopback,
    NotFound,
    PortTaken,
    Reply,
    Request,
    byte_range,
    text_reply,
    with_inline,
)

TEN = bytes(range(48, 58))


def _item(request: Request) -> Reply:
    """An entry of a table, as routes look things up: by an integer."""
    (word,) = request.words
    table = {"0": TEN}
    if word not in table:
        raise NotFound(f"there is no item {word}")
    return Reply(body=table[word], content_type="video/mp4", keep=True)


def _bug(request: Request) -> Reply:
    raise KeyError("a bug")


ROUTES = {
    "": lambda request: text_reply("home"),
    "item": _item,
    "echo": lambda request: text_reply("|".join([*request.words, *map("=".join, request.query.items())])),
    "bug": _bug,
}


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with Loopback(ROUTES) as loopback:
        thread = threading.Thread(target=loopback.serve, daemon=True)
        thread.start()
        yield loopback
        loopback.stop()
        thread.join()


def ask(
    server: Loopback, target: str, *lines: str, method: str = "GET", host: str | None = ""
) -> tuple[int, HTTPMessage, bytes]:
    """Status, headers and body of an answer to a request whose every byte is written here."""
    hosts = [] if host is None else [f"Host: {host or f'127.0.0.1:{server.port}'}"]
    head = "\r\n".join([f"{method} {target} HTTP/1.1", *hosts, "Connection: close", *lines, "", ""])
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        with contextlib.suppress(ConnectionError):  # it may refuse before it has read everything
            connection.sendall(head.encode("latin-1"))
        answer = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                answer += piece
    file = BytesIO(answer)
    status = int(file.readline().split()[1])
    headers = parse_headers(file)
    return status, headers, file.read()


def test_a_route_gets_the_words_of_the_path_and_the_query(server):
    assert ask(server, "/")[::2] == (200, b"home")
    assert ask(server, "/echo/a/b-1.jpg?q=two%20words%2F..%2F&empty=")[::2] == (
        200,
        b"a|b-1.jpg|q=two words/../|empty=",
    )


@pytest.mark.parametrize(
    "target",
    [
        "/../../etc/passwd",
        "/item/../../etc/passwd",
        "/item/..",
        "/item/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/item/..%2f..%2fetc%2fpasswd",
        "/item/%252e%252e%252f",
        "/item%2f0",
        "/item/0%00.jpg",
        "/item/0\x00",
        "/item/..\\..\\etc",
        "/item//etc/passwd",
        "//etc/passwd",
        "/item/0/",
        "/nothing",
        "/item/1",
        "/~root",
        "/item/.hidden",
        "/item/\xe9",
    ],
)
def test_nothing_is_found_outside_of_the_tables(server, target):
    status, _, body = ask(server, target)
    assert status in (400, 404) and b"root:" not in body


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1/", "http://elsewhere.invalid/item/0", "file:///etc/passwd", "*", "item/0"]
)
def test_it_is_no_proxy(server, target):
    assert ask(server, target)[0] == 400


@pytest.mark.parametrize(
    "host",
    [
        "evil.invalid",
        "evil.invalid:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.evil.invalid:{port}",
        "[::1]",
        "0.0.0.0:{port}",
        None,
    ],
)
def test_another_name_that_leads_here_is_refused(server, host):
    status, _, body = ask(server, "/item/0", host=host and host.format(port=server.port))
    assert status == 403 and TEN not in body


def test_two_hosts_are_refused(server):
    assert ask(server, "/item/0", f"Host: 127.0.0.1:{server.port}")[0] == 403


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_its_own_names_are_answered(server, name):
    assert ask(server, "/item/0", host=f"{name}:{server.port}")[::2] == (200, TEN)


def test_other_sites_may_link_here_and_embed_nothing(server):
    cross = "Sec-Fetch-Site: cross-site"
    assert ask(server, "/item/0", cross, "Sec-Fetch-Mode: no-cors")[0] == 403
    assert ask(server, "/", cross, "Sec-Fetch-Mode: navigate")[0] == 200
    assert ask(server, "/item/0", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: no-cors")[0] == 200


@pytest.mark.parametrize("target", ["/", "/item/0", "/nothing"])
def test_answers_keep_to_themselves(server, target):
    _, headers, _ = ask(server, target, "Origin: http://evil.invalid")
    assert headers["Content-Security-Policy"] == POLICY and POLICY.startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert not [name for name in headers if name.lower().startswith("access-control")]
    assert "Python" not in headers["Server"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE"])
def test_it_can_only_be_read(server, method):
    assert ask(server, "/item/0", method=method)[0] == 501


def test_head_has_the_headers_alone(server):
    _, got, body = ask(server, "/item/0")
    status, headers, nothing = ask(server, "/item/0", method="HEAD")
    assert (status, nothing, body) == (200, b"", TEN)
    changing = {"Date"}
    assert {k: v for k, v in headers.items() if k not in changing} == {
        k: v for k, v in got.items() if k not in changing
    }


@pytest.mark.parametrize(
    ("asked", "status", "body", "content_range"),
    [
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, TEN, "bytes 0-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        (f"bytes={'9' * 400}-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=4-2", 200, TEN, None),
        ("bytes=0-1,4-5", 200, TEN, None),
        ("bytes=-", 200, TEN, None),
        ("bytes=a-b", 200, TEN, None),
        ("lines=0-1", 200, TEN, None),
    ],
)
def test_ranges(server, asked, status, body, content_range):
    got, headers, content = ask(server, "/item/0", f"Range: {asked}")
    assert (got, content, headers["Content-Range"]) == (status, body, content_range)
    assert headers["Accept-Ranges"] == "bytes" and int(headers["Content-Length"]) == len(body)


def test_a_range_of_nothing():
    assert byte_range("bytes=0-", 0) == range(0) and byte_range("bytes=-5", 0) == range(0)


def test_ranges_of_what_is_not_there_are_no_part_of_the_message(server):
    assert ask(server, "/item/1", "Range: bytes=0-1")[0] == 404


@pytest.mark.parametrize(
    "lines", [("X: " + "x" * 100_000,), tuple(f"X-{i}: x" for i in range(500)), ("no colon",)]
)
def test_headers_beyond_reason_end_the_request_and_not_the_server(server, lines):
    assert ask(server, "/item/0", *lines)[0] in (200, 400, 431)
    assert ask(server, "/item/0")[0] == 200


def test_a_target_beyond_reason_is_refused(server):
    assert ask(server, "/echo?q=" + "x" * 20_000)[0] == 414
    assert ask(server, "/" + "x" * 100_000)[0] == 414


def test_a_bug_is_told_where_the_command_runs_and_not_to_the_browser(server, caplog):
    status, _, body = ask(server, "/bug")
    assert status == 500 and b"Traceback" not in body and b"KeyError" not in body
    assert "KeyError: 'a bug'" in caplog.text
    assert ask(server, "/")[0] == 200


def test_a_connection_answers_one_request_after_the_other(server):
    request = f"GET /item/0 HTTP/1.1\r\nHost: localhost:{server.port}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for _ in range(3):
            connection.sendall(request)
            answer = b""
            while not answer.endswith(TEN):
                answer += connection.recv(65536)


def test_it_listens_on_this_machine_alone(server):
    # 127.0.0.2 is this machine, too: who listens on all its addresses answers there.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", server.port), timeout=2)
    assert server.address == f"http://127.0.0.1:{server.port}/"


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_cannot_be(port):
    with pytest.raises(PortTaken, match=rf"port = {port}: .*0 takes a free one"):
        Loopback(ROUTES, port=port)


def test_a_port_in_use_is_named(server):
    with pytest.raises(PortTaken, match=f"port = {server.port}: another program listens there"):
        Loopback(ROUTES, port=server.port)


def test_what_stands_in_the_page_is_allowed_by_its_hash():
    policy = with_inline(POLICY, scripts=("alert(1)",), styles=("p{}",))
    assert "script-src 'self' 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='" in policy
    assert "unsafe" not in policy


def test_ctrl_c_ends_it_as_other_commands():
    code = """
import os, signal, threading
from animate.loopback import Loopback
with Loopback({}) as loopback:
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        loopback.serve()
    except KeyboardInterrupt:
        print("stopped")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("stopped\n", "")


def test_what_is_no_request_is_answered_without_markup(server):
    status, headers, body = ask(server, "/<script>alert(1)</script>", method="<b>")
    assert (status, headers["Content-Type"]) == (501, "text/plain; charset=utf-8")
    assert b"<!DOCTYPE" not in body and b"<html" not in body
