"""The only place where numbers are scaled and formatted for people, and words are listed; records hold plain units.

Every function takes the record's unit (a fraction, milliseconds, bytes, seconds) and returns finished text; only
:func:`read` goes the other way.
"""

import math
import re
from collections.abc import Sequence


def listed(parts: Sequence[str]) -> str:
    """Parts of a sentence, the last with "and".

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def percent(fraction: float, digits: int = 1) -> str:
    """A fraction 0..1 as per cent.

    >>> percent(0.954)
    '95.4%'
    """
    return f"{_positive_zero(fraction * 100, digits):.{digits}f}%"


def points(difference: float, digits: int = 1) -> str:
    """A difference of two fractions in percentage points, with its sign.

    >>> points(-0.013)
    '-1.3 points'
    """
    value = _positive_zero(difference * 100, digits)
    sign = "+" if value > 0 else ""
    return f"{sign}{value:.{digits}f} points"


def interval(low: float, high: float, digits: int = 1) -> str:
    """An interval of fractions 0..1 as per cent.

    >>> interval(0.91, 0.979)
    '91.0-97.9%'
    """
    return f"{_positive_zero(low * 100, digits):.{digits}f}-{percent(high, digits)}"


def digits(pictures: int) -> int:
    """Digits of an accuracy in per cent that are worth showing: two where one picture is below 0.1 points.

    >>> digits(153), digits(10_000)
    (1, 2)
    """
    return 2 if pictures > 1000 else 1


def accuracy(value: float, ends: tuple[float, float], pictures: int) -> str:
    """An accuracy with its interval, on that many pictures.

    >>> accuracy(0.954, (0.909, 0.978), 153)
    '95.4% (90.9-97.8%)'
    """
    return f"{percent(value, digits(pictures))} ({interval(*ends, digits(pictures))})"


def counted(count: int, what: str) -> str:
    """How many there are.

    >>> counted(1, "core"), counted(2, "core")
    ('1 core', '2 cores')
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def ms(milliseconds: float) -> str:
    """Milliseconds with three significant digits, and none after the point from 100 on.

    >>> ms(2.4), ms(16.23), ms(0.0512), ms(1234.5)
    ('2.40 ms', '16.2 ms', '0.0512 ms', '1234 ms')
    """
    return f"{_three_digits(milliseconds)} ms"


def spread(p50_ms: float, p25_ms: float, p75_ms: float) -> str:
    """A median time with the middle half of the calls, where that was recorded.

    >>> spread(2.04, 1.99, 2.09), spread(2.04, 0.0, 0.0)
    ('2.04 ms (1.99-2.09)', '2.04 ms')
    """
    return f"{ms(p50_ms)} ({_three_digits(p25_ms)}-{_three_digits(p75_ms)})" if p25_ms > 0 else ms(p50_ms)


def bytes(size_bytes: float) -> str:
    """A size in decimal units, as disks and downloads are sold (1 MB is 1,000,000 bytes).

    >>> bytes(4_012_000), bytes(246_800), bytes(12)
    ('4.0 MB', '246.8 kB', '12 bytes')
    """
    if size_bytes < 1000:
        return f"{size_bytes:.0f} bytes"
    return _scaled(size_bytes, ("kB", "MB", "GB", "TB"))


def count(number: float) -> str:
    """A number of things: written out below ten thousand, shortened from there on.

    >>> count(9999), count(61_706), count(3_412_000)
    ('9,999', '61.7 k', '3.4 M')
    """
    return f"{number:,.0f}" if number < 10_000 else _scaled(number, ("k", "M", "G", "T"))


def seconds(duration_s: float) -> str:
    """A duration; a tenth of a second is shown below one minute, seconds below one hour.

    >>> seconds(3.24), seconds(372), seconds(3780)
    ('3.2 s', '6 min 12 s', '1 h 3 min')
    """
    if round(duration_s, 1) < 60:
        return f"{duration_s:.1f} s"
    if round(duration_s) < 3600:
        whole_min, rest_s = divmod(round(duration_s), 60)
        return f"{whole_min} min {rest_s} s"
    hours, rest_min = divmod(round(duration_s / 60), 60)
    return f"{hours} h {rest_min} min"


def times(ratio: float) -> str:
    """A ratio, such as a speed-up: two significant digits at least.

    >>> times(4.21), times(0.034), times(12.6)
    ('4.2x', '0.034x', '12.6x')
    """
    return f"{ratio:.1f}x" if ratio >= 1 or ratio == 0 else f"{ratio:#.2g}x"


def speed(medians: float, measured: tuple[float, float, float] | None) -> str:
    """How many times as fast, or as slow: as ``measured`` with its 95% interval, else by the medians alone; with as
    many digits as tell the ends of the interval apart.

    >>> speed(1.061, None), speed(0.5, (0.5, 0.4, 0.8))
    ('1.06x as fast by the medians, without an interval', '2.00x as slow, 95% interval 1.25x to 2.50x')
    >>> speed(1.03, (1.0302, 1.028, 1.033))
    '1.030x as fast, 95% interval 1.028x to 1.033x'
    """
    ratio, low, high = measured or (medians, medians, medians)
    word = "fast"
    if ratio < 1:
        ratio, low, high, word = 1 / ratio, 1 / high, 1 / low, "slow"
    if measured is None:
        return f"{ratio:.2f}x as {word} by the medians, without an interval"
    digits = next((some for some in (2, 3) if round(low, some) < round(high, some)), 4)
    return f"{ratio:.{digits}f}x as {word}, 95% interval {low:.{digits}f}x to {high:.{digits}f}x"


def leaves_out_one(measured: tuple[float, float, float]) -> bool:
    """Whether the interval of a ratio does, to two digits.

    >>> leaves_out_one((0.88, 0.68, 0.9998)), leaves_out_one((1.17, 1.13, 1.2))
    (False, True)
    """
    ratio, low, high = measured
    return round(low if ratio >= 1 else 1 / high, 2) > 1


def within_spread(measured: tuple[float, float, float]) -> str:
    """The same of two times whose single calls differ by more than the medians do.

    >>> within_spread((1.18, 1.13, 1.34))
    '1.18x as fast, 95% interval 1.13x to 1.34x, by the medians: less than single calls differ'
    """
    return f"{speed(measured[0], measured)}, by the medians: less than single calls differ"


def p_value(p: float) -> str:
    """A p-value with two significant digits; more where two would carry it across 0.05.

    >>> p_value(0.03), p_value(0.0002), p_value(1.0), p_value(0.0496), p_value(0.125)
    ('p = 0.03', 'p < 0.001', 'p = 1.0', 'p = 0.0496', 'p = 0.13')
    """
    if p < 0.001:
        return "p < 0.001"
    if p == 1:
        return "p = 1.0"
    if p > 0.99:
        return "p > 0.99"
    up = p * (1 + 1e-12)  # halves, which exact tests of few pictures give, are rounded up as everybody does it
    texts = (f"{up:.{digits}g}" for digits in range(2, 18))
    return "p = " + next(text for text in texts if (float(text) < 0.05) == (p < 0.05))


MEASURES = {
    "time": {"us": 1e-3, "ms": 1.0, "s": 1000.0},
    "size": {"b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9},
    "duration": {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0},
    "count": {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9},
}
"""What may stand behind a number, and what it is in a record: milliseconds, bytes, seconds, a number of things."""


def read(text: str, measure: str) -> float:
    """A number with its unit, as people write it, in the record's unit.

    Raises:
        ValueError: it is none; the message says what would be.

    >>> read("2ms", "time"), read("2.5 MB", "size"), read("15m", "duration"), read("150M", "count")
    (2.0, 2500000.0, 900.0, 150000000.0)
    """
    units = MEASURES[measure]
    found = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([a-zA-Z]*)\s*", text)
    if found is None or found[2].lower() not in units or not 0 < float(found[1]) < math.inf:
        valid = ", ".join(f"2{unit}" for unit in units)
        raise ValueError(f"{text!r} is no {measure}: write it like {valid}")
    return float(found[1]) * units[found[2].lower()]


SPELLED = {"us": "us", "b": "bytes", "kb": "kB", "mb": "MB", "gb": "GB", "m": "M", "g": "G"}


def written(value: float, measure: str) -> str:
    """What :func:`read` reads as that ``value``, with all its digits.

    >>> written(2.0041, "time"), written(1_250_000, "size"), written(150_000_000, "count"), written(40, "count")
    ('2.0041 ms', '1.25 MB', '150 M', '40')
    """
    fitting = [(scale, unit) for unit, scale in MEASURES[measure].items() if scale <= value] or [
        min((scale, unit) for unit, scale in MEASURES[measure].items())
    ]
    scale, unit = max(fitting)
    return f"{value / scale:.10g} {SPELLED.get(unit, unit)}".rstrip()


SCALES = {
    "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
    "s": 1e3, "min": 6e4, "h": 3.6e6,
}  # fmt: skip
"""What the units of this file's texts are in the smallest one of their kind (times: ms)."""


def leading_number(text: str) -> float | None:
    """The number that a text of this file begins with, scaled by its unit: what a table is sorted by.

    >>> [leading_number(text) for text in ("95.4% (91% to 98%)", "3.6 MB", "2.40 ms / 2.6 ms", "6 min 12 s", "none")]
    [95.4, 3600000.0, 2.4, 372000.0, None]
    """
    first = re.match(r"([+\u2212-]?)([\d,]*\.?\d+(?:e-?\d+)?) ?([A-Za-z%]*)(?: (\d+) (min|s)\b)?", text)
    if first is None:
        return None
    sign, digits, unit, rest, rest_unit = first.groups()
    value = float(digits.replace(",", "")) * SCALES.get(unit, 1.0)
    value += float(rest) * SCALES[rest_unit] if rest else 0.0
    return -value if sign in ("-", "\u2212") else value


def one_line(text: str) -> str:
    r"""Text for a terminal or a drawing: what would move a cursor, change colours, or is no character of XML is
    written out.

    >>> one_line("a\nb.jpg")
    'a\\nb.jpg'
    """
    return re.sub(
        r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]",
        lambda found: repr(found[0])[1:-1],
        text,
    )


def _positive_zero(value: float, digits: int) -> float:
    """The rounded value, never a negative zero."""
    return round(value, digits) + 0.0


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:#.3g}"


def _scaled(value: float, units: tuple[str, ...]) -> str:
    """One digit after the point, in the largest unit of which there is at least one after rounding."""
    for unit in units[:-1]:
        value /= 1000
        if round(value, 1) < 1000:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} {units[-1]}"
