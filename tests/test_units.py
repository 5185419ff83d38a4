"""What people read: every unit at its ordinary values and where rounding carries it into the next unit."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import FUZZ
from petiole import units


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0.0, "0.0%"), (1.0, "100.0%"), (0.9545, "95.5%"), (-0.0001, "0.0%"), (0.00654, "0.7%")],
)
def test_percent(fraction: float, text: str) -> None:
    assert units.percent(fraction) == text


def test_percent_with_more_digits() -> None:
    assert units.percent(0.99412, digits=2) == "99.41%"


@pytest.mark.parametrize(
    ("difference", "text"),
    [(0.013, "+1.3 points"), (0.0, "0.0 points"), (-0.0004, "0.0 points"), (-1, "-100.0 points")],
)
def test_points_have_a_sign_unless_they_round_to_zero(difference: float, text: str) -> None:
    assert units.points(difference) == text


def test_interval() -> None:
    assert units.interval(0.0, 1.0) == "0.0-100.0%"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0.0, "0.00 ms"), (9.996, "10.0 ms"), (99.94, "99.9 ms"), (99.96, "100 ms"), (1.1, "1.10 ms")],
)
def test_ms_has_three_digits(milliseconds: float, text: str) -> None:
    assert units.ms(milliseconds) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_951, "1.0 MB"),
        (2.5e9, "2.5 GB"),
    ],
)
def test_bytes_are_decimal(size_bytes: float, text: str) -> None:
    assert units.bytes(size_bytes) == text


def test_a_size_beyond_the_last_unit_stays_in_it() -> None:
    assert units.bytes(1.5e15) == "1500.0 TB"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (1234, "1,234"), (10_000, "10.0 k"), (999_960, "1.0 M"), (1.8e9, "1.8 G")]
)
def test_count(number: float, text: str) -> None:
    assert units.count(number) == text


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (119.6, "2 min 0 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 0 min"),
        (7199, "2 h 0 min"),
    ],
)
def test_seconds_never_show_sixty(duration_s: float, text: str) -> None:
    assert units.seconds(duration_s) == text


@pytest.mark.parametrize(("ratio", "text"), [(1.0, "1.0x"), (0.5, "0.50x"), (40.04, "40.0x"), (0.0, "0.0x")])
def test_times(ratio: float, text: str) -> None:
    assert units.times(ratio) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0, "p < 0.001"),
        (0.00099, "p < 0.001"),
        (0.001, "p = 0.001"),
        (0.0625, "p = 0.063"),
        (0.05, "p = 0.05"),
        (0.04999, "p = 0.04999"),
        (0.0501, "p = 0.05"),
        (0.25, "p = 0.25"),
        (0.999, "p > 0.99"),
        (1.0, "p = 1.0"),
    ],
)
def test_p_value_is_never_rounded_across_the_usual_line(p: float, text: str) -> None:
    assert units.p_value(p) == text


@pytest.mark.parametrize(
    ("text", "measure", "message"),
    [("2", "time", "write it like 2us, 2ms, 2s"), ("0ms", "time", "is no time"), ("-1MB", "size", "is no size"),
     ("fast", "time", "is no time"), ("1e3ms", "time", "is no time"), ("5parsec", "duration", "is no duration")],
)  # fmt: skip
def test_what_is_no_number_with_a_unit_is_told(text: str, measure: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        units.read(text, measure)


def test_units_are_read_in_either_case() -> None:
    assert units.read("3mb", "size") == units.read("3 MB", "size") == 3e6
    assert units.read("90s", "duration") == units.read("1.5 min", "duration") == 90.0


@pytest.mark.parametrize("measure", units.MEASURES)
@given(text=st.text(max_size=8) | st.from_regex(r"\A[0-9.]{1,6} ?[a-zA-Z]{0,3}\Z") | st.just("9" * 400 + "m"))
@settings(FUZZ, max_examples=200)
def test_any_text_is_a_number_of_its_measure_or_refused(measure: str, text: str) -> None:
    """What is read is the number in front times its unit, is positive, and is finite."""
    try:
        value = units.read(text, measure)
    except ValueError as error:
        assert repr(text) in str(error)  # noqa: PT017 - either may happen
        return
    assert 0 < value < math.inf
    unit = text.strip().lstrip("0123456789.").strip().lower()
    assert value == pytest.approx(float(text.strip()[: len(text.strip()) - len(unit)]) * units.MEASURES[measure][unit])
