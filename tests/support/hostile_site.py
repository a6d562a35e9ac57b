"""A web site that does all that servers do to those who download images, by the path asked for."""

import time

from tests.support.corpora import PHOTOGRAPH
from tests.support.serving import Quiet

#: What is asked for, and the status that the row must end in (what is no image is the decoder's to refuse).
OUTCOMES = {
    "ok1.jpg": "ok",
    "404": "gone",
    "410": "gone",
    "500": "failed_to_download",
    "301": "ok",
    "slow": "download_timed_out",
    "endless": "too_many_bytes",
    "html": "ok",
    "cut": "failed_to_download",
    "noai": "opted_out",
    "to_file": "failed_to_download",
    "ok2.jpg": "ok",
}


class HostileSite(Quiet):
    """Answers by path: an image, or one of the ways not to get one."""

    robots = b""
    #: Whether the images that were gone are there again.
    mended = False

    def do_GET(self) -> None:
        name = self.path.strip("/").partition("?")[0]
        if name == "robots.txt":
            self.answer(200 if self.robots else 404, self.robots)
        elif name in ("404", "410", "500") and not self.mended:
            self.answer(int(name), b"no")
        elif name == "301":
            self.answer(301, b"", Location="/ok.jpg")
        elif name == "to_private":
            self.answer(302, b"", Location="http://10.0.0.1/x.jpg")
        elif name == "to_file":
            self.answer(302, b"", Location="file:///etc/passwd")
        elif name == "slow":
            time.sleep(3)
        elif name == "endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                return
        elif name == "drip":
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(100):
                    self.wfile.write(b"x")
                    time.sleep(0.1)
            except OSError:
                return
        elif name == "announced":
            self.answer(200, b"", length=10**12)
        elif name == "cut":
            self.answer(200, PHOTOGRAPH[:1000], length=len(PHOTOGRAPH))
        elif name == "html":
            self.answer(200, b"<html>gone</html>")
        elif name == "noai":
            self.answer(200, PHOTOGRAPH, **{"X-Robots-Tag": "noai"})
        else:
            self.answer(200, PHOTOGRAPH)

    def answer(self, code: int, body: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
