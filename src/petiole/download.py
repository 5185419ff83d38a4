"""Getting files from the network, or finding out quickly that there is none.

Layer L1, because data/ and models/ both use it. A download is streamed to a temporary file beside its
target, its SHA-256 is checked, and only then does it take the target's name. Whatever goes wrong is a
:class:`DownloadError` and leaves nothing behind; the caller goes on to its next source and keeps the reason
to show it. All the waiting for servers that do not answer adds up to ``PROBE_BUDGET_S``.
"""

import hashlib
import http.client
import os
import shutil
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from petiole.cache import cache_errors, clear_stale
from petiole.errors import PetioleError
from petiole.writing import UNFINISHED

PROBE_BUDGET_S = 4.0
"""Longest time that one process waits, over all hosts, for servers that turn out not to answer."""

CHUNK_BYTES = 1 << 18
_AGENT = {"User-Agent": "petiole"}  # some mirrors refuse urllib's own name


class DownloadError(PetioleError):
    """A file could not be had from the network; the message says why. Callers go on to the next source."""


class _Probes:
    """What this process has learned about hosts, and how much of its time for waiting is left."""

    def __init__(self) -> None:
        self.answers: dict[str, bool] = {}
        self.left_s = PROBE_BUDGET_S


_probes = _Probes()


def forget_probes() -> None:
    """Forget which hosts answered, as a new process would (for tests, and after the network came back)."""
    global _probes  # one per process is the point of it
    _probes = _Probes()


def online(url: str, *, offline: bool) -> bool:
    """Whether the host of ``url`` answers; each host is asked once per process, through the usual proxies.

    The question is a HEAD request in a daemon thread, because looking up a name can hang for longer than any
    socket timeout. Hosts that do not answer use up ``PROBE_BUDGET_S`` together; once it is gone, every
    further host counts as out of reach at once. ``offline`` answers False and touches no socket.
    """
    if offline:
        return False
    host = urlsplit(url).netloc
    if host not in _probes.answers:
        started = time.monotonic()
        reached = _probes.left_s > 0.05 and _answers(url, _probes.left_s)
        if not reached:
            _probes.left_s -= time.monotonic() - started
        _probes.answers[host] = reached
    return _probes.answers[host]


def _opener() -> urllib.request.OpenerDirector:
    """urllib with the proxies that the environment names now (urlopen keeps those of its first call)."""
    return urllib.request.build_opener()


def _answers(url: str, timeout_s: float) -> bool:
    """Whether any HTTP answer to HEAD ``url``, be it an error page, comes within the time."""
    answered = threading.Event()
    ended = threading.Event()

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD", headers=_AGENT)
        try:
            _opener().open(request, timeout=timeout_s).close()
            answered.set()
        except urllib.error.HTTPError as error:
            error.close()
            answered.set()
        except (OSError, http.client.HTTPException, ValueError):
            pass  # no answer: that is the result
        finally:
            ended.set()

    threading.Thread(target=ask, name="petiole-probe", daemon=True).start()
    ended.wait(timeout_s)
    return answered.is_set()


def fetch(
    url: str,
    target: Path,
    *,
    sha256: str | None,
    what: str,
    offline: bool = False,
    md5: str | None = None,
    timeout_s: float = 15.0,
    progress: bool = True,
) -> None:
    """Download ``url`` to ``target``, all of it or nothing.

    ``sha256`` is the expected digest in hexadecimal, or its beginning (torch hub's file names carry the
    first 8 digits); ``md5`` likewise, for lists that publish only that. ``timeout_s`` is the server's
    longest silence.

    Raises:
        DownloadError: offline, no server, an error page, a broken transfer, or other content than expected.
        UserError: ``target`` cannot be written.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise DownloadError(f"{what}: {url} is neither http nor https")
    if offline:
        raise DownloadError(f"{what}: not downloaded (--offline)")
    if not online(url, offline=offline):
        raise DownloadError(f"{what}: {urlsplit(url).netloc} cannot be reached")
    with _temporary_beside(target) as fresh:
        digests = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        with fresh.open("wb") as file, _network_errors(url, what):
            request = urllib.request.Request(url, headers=_AGENT)
            with _opener().open(request, timeout=timeout_s) as response:
                for chunk in _chunks(response, what=what, progress=progress):
                    for digest in digests:
                        digest.update(chunk)
                    with cache_errors(target):
                        file.write(chunk)
        for digest, expected in zip(digests, (sha256, md5), strict=True):
            if expected is not None and not digest.hexdigest().startswith(expected.lower()):
                found = digest.hexdigest()[: len(expected)]
                raise DownloadError(f"{what}: {url} has {digest.name} {found}, not {expected}: not kept")
        with cache_errors(target):
            os.chmod(fresh, 0o644)
            os.replace(fresh, target)


MOST_BYTES = 10**15


@contextmanager
def _temporary_beside(target: Path) -> Iterator[Path]:
    """An empty file beside ``target``, gone when the block ends if it is still there."""
    with cache_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_stale(target.parent, target.name)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=UNFINISHED)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def _network_errors(url: str, what: str) -> Iterator[None]:
    """Turn every way in which a transfer can fail into a DownloadError."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(f"{what}: {url} answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise DownloadError(f"{what}: {url} cannot be reached ({error.reason})") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = str(error) or type(error).__name__
        raise DownloadError(f"{what}: the transfer of {url} broke off ({why})") from error


def _chunks(response: http.client.HTTPResponse, *, what: str, progress: bool) -> Iterator[bytes]:
    """The body piece by piece, with a progress bar on a terminal and one plain line elsewhere."""
    declared = response.headers.get("Content-Length")
    total_bytes = int(declared) if declared else None
    if total_bytes is not None and total_bytes > MOST_BYTES:
        raise http.client.HTTPException("it says that it is larger than any disk")
    received_bytes = 0
    console = Console(stderr=True, quiet=not progress)
    if not console.is_terminal:
        size = f" ({total_bytes / 1e6:.1f} MB)" if total_bytes else ""
        console.print(f"downloading {what}{size}", highlight=False, markup=False)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"downloading {what}", total=total_bytes)
        while chunk := response.read(CHUNK_BYTES):
            received_bytes += len(chunk)
            bar.update(task, advance=len(chunk))
            yield chunk
    if total_bytes is not None and received_bytes != total_bytes:
        raise http.client.IncompleteRead(b"", total_bytes - received_bytes)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """An empty folder beside ``target``, gone when the block ends if it is still there."""
    with cache_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_stale(target.parent, target.name)
        fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=UNFINISHED))
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A fresh folder to fill beside ``target``; it takes that name when the block ends, and vanishes if it
    fails.

    If another process has made ``target`` meanwhile, that one stays: both are complete and the same.
    """
    with temporary_folder(target) as fresh:
        yield fresh
        with cache_errors(target):
            os.chmod(fresh, 0o755)
            try:
                if not target.is_dir():
                    os.replace(fresh, target)
            except OSError:
                if not target.is_dir():  # else it was made just now
                    raise
