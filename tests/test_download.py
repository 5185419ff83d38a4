"""Downloads from a server on loopback: sound, wrong, broken off, hanging, absent; and none when offline."""

import hashlib
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from petiole import download
from petiole.cache import cache_dir, cache_path
from petiole.download import DownloadError, fetch, new_folder, online
from petiole.errors import UserError

BODY = bytes(range(256)) * 4096  # 1 MiB: several chunks
SHA256 = hashlib.sha256(BODY).hexdigest()
MD5 = hashlib.md5(BODY).hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    """/good sends BODY; /short breaks off in its middle; /stalls stops there; /hangs never answers."""

    asked: ClassVar[list[str]] = []
    released: ClassVar[threading.Event] = threading.Event()

    def do_HEAD(self) -> None:
        self.asked.append(f"HEAD {self.path}")
        if self.path == "/hangs":
            self.released.wait(30)
            return
        self.send_response(404)
        self.end_headers()

    def do_GET(self) -> None:
        self.asked.append(f"GET {self.path}")
        if self.path not in ("/good", "/short", "/stalls", "/vast"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", "9" * 400 if self.path == "/vast" else str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY if self.path == "/good" else BODY[: len(BODY) // 2])
        if self.path == "/stalls":
            self.released.wait(30)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    _Handler.asked.clear()
    _Handler.released.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        _Handler.released.set()
        httpd.shutdown()
        thread.join()


@pytest.mark.parametrize("sha256", [SHA256, SHA256[:8], SHA256.upper(), None])
def test_a_sound_file_arrives_whole(server: str, tmp_path: Path, sha256: str | None) -> None:
    target = tmp_path / "made" / "file.bin"
    fetch(f"{server}/good", target, sha256=sha256, md5=MD5, what="it")
    assert target.read_bytes() == BODY
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(("sha256", "md5"), [("0" * 64, None), ("0" * 8, None), (SHA256, "0" * 32)])
def test_a_wrong_digest_leaves_nothing(server: str, tmp_path: Path, sha256: str, md5: str | None) -> None:
    with pytest.raises(DownloadError, match=r"has (sha256|md5) .* not 0000"):
        fetch(f"{server}/good", tmp_path / "file", sha256=sha256, md5=md5, what="it")
    assert not list(tmp_path.iterdir())


def test_a_wrong_file_does_not_replace_a_sound_one(server: str, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"sound")
    with pytest.raises(DownloadError):
        fetch(f"{server}/short", target, sha256=None, what="it")
    assert target.read_bytes() == b"sound"


@pytest.mark.parametrize(("path", "why"), [
    ("short", "broke off"), ("stalls", "broke off"), ("missing", "answers 404"), ("vast", "larger than any disk")
])  # fmt: skip
def test_a_failed_transfer_leaves_nothing(server: str, tmp_path: Path, path: str, why: str) -> None:
    with pytest.raises(DownloadError, match=why):
        fetch(f"{server}/{path}", tmp_path / "file", sha256=None, what="it", timeout_s=0.5)
    assert not list(tmp_path.iterdir())


def test_no_server_is_told_at_once(closed_url: str, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:\d+ cannot be reached$"):  # asked for, not tried: no reason
        fetch(f"{closed_url}/good", tmp_path / "file", sha256=None, what="it")
    assert time.monotonic() - started < 1
    assert not list(tmp_path.iterdir())


def test_each_host_is_asked_once(server: str) -> None:
    assert online(f"{server}/a", offline=False)
    assert online(f"{server}/b", offline=False)
    assert _Handler.asked == ["HEAD /a"]


def test_servers_that_hang_cost_five_seconds_in_all(server: str, tmp_path: Path) -> None:
    port = server.rsplit(":", 1)[1]
    started = time.monotonic()
    for host in ("127.0.0.1", "localhost", "LOCALHOST"):  # three names, so three questions
        url = f"http://{host}:{port}/hangs"
        with pytest.raises(DownloadError, match="cannot be reached"):
            fetch(url, tmp_path / "file", sha256=None, what="it")
    assert time.monotonic() - started < 5
    assert _Handler.asked.count("HEAD /hangs") == 1, "after the first, no time was left to ask"


def test_a_name_server_that_hangs_does_not_hold_us_up(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang(*_: object, **__: object) -> None:
        released.wait(30)
        raise socket.gaierror("released")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(download._probes, "left_s", 0.3)
    started = time.monotonic()
    assert not online("http://example.org/", offline=False)
    assert time.monotonic() - started < 2
    released.set()


def test_offline_touches_no_socket(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        pytest.fail("a socket was touched")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", forbidden)
        patch.setattr(socket, "getaddrinfo", forbidden)
        assert not online(f"{server}/good", offline=True)
        with pytest.raises(DownloadError, match="--offline"):
            fetch(f"{server}/good", tmp_path / "file", sha256=None, what="it", offline=True)
    assert _Handler.asked == []


def test_a_proxy_of_the_environment_is_used(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server)
    with pytest.raises(DownloadError, match="answers 404"):  # this proxy knows no other host
        fetch("http://photos.example/good", tmp_path / "file", sha256=None, what="it")
    assert _Handler.asked == ["HEAD http://photos.example/good", "GET http://photos.example/good"]


def test_only_http(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"x")
    with pytest.raises(DownloadError, match="neither http nor https"):
        fetch(f"file://{tmp_path}/there", tmp_path / "file", sha256=None, what="it")


def test_plain_lines_where_there_is_no_terminal(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(f"{server}/good", tmp_path / "file", sha256=None, what="the photos")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "downloading the photos (1.0 MB)\n")
    fetch(f"{server}/good", tmp_path / "file", sha256=None, what="the photos", progress=False)
    assert capsys.readouterr().err == ""


def test_the_cache_is_where_the_environment_says(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_dir() == cache
    assert cache.is_dir()
    monkeypatch.delenv("PETIOLE_CACHE")
    monkeypatch.setenv("HOME", str(cache))
    assert cache_path() == cache / ".cache" / "petiole"


def test_a_cache_that_cannot_be_written_is_one_sentence(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("PETIOLE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match="PETIOLE_CACHE"):
        cache_dir()
    with pytest.raises(UserError, match="cannot write"):
        fetch(f"{server}/good", tmp_path / "file" / "cache" / "x", sha256=None, what="it")


def test_a_folder_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    def fill(content: str, *, fail: bool = False) -> None:
        with new_folder(tmp_path / "made") as fresh:
            (fresh / "a").write_text(content)
            assert not (tmp_path / "made" / "a").exists() or content == "second"
            if fail:
                raise InterruptedError

    with pytest.raises(InterruptedError):
        fill("broken", fail=True)
    assert not list(tmp_path.iterdir())
    fill("first")
    fill("second")
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert (tmp_path / "made" / "a").read_text() == "first", "the one that is there stays"
