"""The table of every timing with its spread, and what it says of timings that spread too far or are too few."""

from collections.abc import Sequence

from petiole import units
from petiole.evidence import Group, Timing
from petiole.records import Latency, Variant
from petiole.report import provenance as sources
from petiole.report.blocks import NONE, Cell, Table

RUNTIMES = {"torch": "eager PyTorch", "openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}
CALLS_FOR_P90 = 10
"""Fewer timed calls show no 90th percentile."""
WIDE = 1.15
"""A 75th percentile more than that many times the 25th is told."""
MOST_WIDE = 5
"""So many of those are named."""


def p90(time: Timing | Latency) -> str:
    """The 90th percentile, where enough calls were timed to have one."""
    return units.ms(time.p90_ms) if time.p90_ms > 0 and time.samples >= CALLS_FOR_P90 else NONE


def restless(rows: Sequence[Variant]) -> str:
    """That many timings spread widely, where more than a quarter of them do."""
    times = [time for row in rows for time in row.latency]
    wide = sum(map(_is_wide, times))
    if 4 * wide <= len(times):
        return ""
    return (
        f" The machine was restless: in {wide} of {len(times)} timings the 75th percentile is more than {WIDE:g} times "
        "the 25th."
    )


def _is_wide(time: Latency) -> bool:
    return time.p75_ms > WIDE * time.p25_ms > 0


def latencies(groups: Sequence[Group]) -> Table | None:
    """Every timing with its spread; None where nothing was timed."""
    rows: list[tuple[Cell, ...]] = []
    for group in groups:
        for row in group.rows:
            for time in row.latency:
                rows.append(
                    (
                        sources.named(group),
                        str(row.seed),
                        RUNTIMES.get(time.runtime, time.runtime),
                        str(time.batch),
                        str(time.threads),
                        *(
                            sources.timed(time, units.ms(ms) if ms > 0 else NONE)
                            for ms in (time.p25_ms, time.p50_ms, time.p75_ms)
                        ),
                        sources.timed(time, p90(time)),
                        f"{time.samples:,}",
                    )
                )
    if not rows:
        return None
    header = ("Variant", "Seed", "Runtime", "Batch", "Threads", "p25", "p50", "p75", "p90", "Timed calls")
    every = [(group.label, time) for group in groups for row in group.rows for time in row.latency]
    caption = "Time of one call: exact percentiles of this run's calls."
    if any(time.samples < CALLS_FOR_P90 for _, time in every):
        caption += f" {NONE}: fewer than {CALLS_FOR_P90} timed calls, too few to show a 90th percentile."
    wide = [
        f"{label} on {RUNTIMES.get(time.runtime, time.runtime)} at batch {time.batch}"
        for label, time in every
        if _is_wide(time)
    ]
    if wide:
        named = ", ".join(wide[:MOST_WIDE]) + (" and others" if len(wide) > MOST_WIDE else "")
        caption += (
            f" In {len(wide)} of {len(every)} rows p75 is more than {WIDE:g} times p25 ({named}): they spread "
            "widely there, and a median tells less."
        )
    return Table(caption=caption, header=header, rows=tuple(rows), words=frozenset({2}))
