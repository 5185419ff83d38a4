"""How far the work is, for the person who waits: a bar on a terminal, now and then a plain line elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Say = Callable[[str], None]
Tell = Callable[[int, str], None]
"""``tell(done, note)``: so many steps are done; ``note`` is what to know about the last one."""

LINE_EVERY_S = 10.0


@contextmanager
def bar(
    label: str, total: int, *, unit: str, say: Say, terminal: bool, clock: Callable[[], float] = time.perf_counter
) -> Iterator[Tell]:
    """Show a bar of ``total`` steps, each a ``unit``; what is yielded moves it.

    On a terminal the bar vanishes at the end. Elsewhere ``say`` gets a line every ten seconds. Both end with one line
    that sums up, also where the steps ended early.
    """
    began = said_at = clock()
    now, said, latest = 0, 0, ""

    def line() -> None:
        nonlocal said, said_at
        note = f", {latest}" if latest else ""
        say(f"{label}: {unit} {now}/{total}{note}, {clock() - began:.0f} s")
        said, said_at = now, clock()

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    console = Console(stderr=True, quiet=not terminal)
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True, disable=not terminal
    ) as shown:
        task = shown.add_task(label, total=total, note="")

        def tell(done: int, note: str) -> None:
            nonlocal now, latest
            now, latest = done, note
            shown.update(task, completed=done, note=note)
            if not terminal and done < total and clock() - said_at >= LINE_EVERY_S:
                line()

        yield tell
    if said != now:
        line()
