"""Charts turned into SVG, in processes of their own: the drawing library draws one at a time and holds Python up."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from queue import SimpleQueue
from typing import Any

import vl_convert

from petiole.processes import cores

MOST_ARTISTS = 2
ARTIST = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.path[:] = {path!r}; "
    "from petiole.report import drawing; drawing.serve()"
)
"""An artist leaves Ctrl-C to who has asked, and imports what this process would, wherever it was started."""


class _Board:
    """Artists, each a process that draws what it reads, and as many threads that wait for them."""

    def __init__(self, artists: int) -> None:
        command = [sys.executable, "-c", ARTIST.format(path=sys.path)]
        self._artists = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
            for _ in range(artists)
        ]
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        for each in self._artists:
            self._idle.put(each)
        self.threads = ThreadPoolExecutor(max_workers=artists, thread_name_prefix="charts")

    def drawn(self, specification: dict[str, Any]) -> str:
        """The SVG of a chart, by whoever is idle."""
        artist = self._idle.get()
        assert artist.stdin is not None
        assert artist.stdout is not None
        try:
            with contextlib.suppress(OSError):  # it has ended: then there is no answer either
                artist.stdin.write(json.dumps(specification).encode() + b"\n")
                artist.stdin.flush()
            answer = artist.stdout.readline()
        finally:
            self._idle.put(artist)
        if not answer:
            raise RuntimeError("the process that draws charts has ended: its own words are above")
        svg: str = json.loads(answer)
        return svg

    def kill(self) -> None:
        """Nobody wants the charts any more."""
        for each in self._artists:
            each.kill()

    def close(self) -> None:
        """The artists end where nothing more can come."""
        self.threads.shutdown(cancel_futures=True)
        for each in self._artists:
            with contextlib.suppress(OSError):  # what it did not read, it need not
                each.communicate()


_board: ContextVar[_Board | None] = ContextVar("board", default=None)


@contextmanager
def board() -> Iterator[None]:
    """Until the block ends, charts are drawn by other processes while this one goes on."""
    made = _Board(min(MOST_ARTISTS, cores()))
    before = _board.set(made)
    try:
        yield
    except BaseException:
        made.kill()
        raise
    finally:
        _board.reset(before)
        made.close()


def draw(specification: dict[str, Any], finish: Callable[[str], str]) -> Future[str]:
    """The SVG of a Vega-Lite chart, as ``finish`` leaves it; without a board it is drawn here, and at once."""
    made = _board.get()
    if made is not None:
        return made.threads.submit(lambda: finish(made.drawn(specification)))
    done = Future[str]()
    done.set_result(finish(vl_convert.vegalite_to_svg(specification)))
    return done


def serve() -> None:
    """Be an artist: a chart in each line of the input, an SVG in each line of the output, until there is no more."""
    for line in sys.stdin.buffer:
        answer = json.dumps(vl_convert.vegalite_to_svg(json.loads(line)))
        try:
            sys.stdout.write(answer + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            os._exit(1)  # who has asked was killed
