"""What the answers leave out, since the numbers do not carry it or nobody would read it; all runs are made up."""

from typing import Any

from fabricated import accuracy, latency, replaced, results, variants
from petiole.lab.answers import answer


def told(name: str, rows: Any = None) -> str:
    (found,) = [each for each in answer(results(rows)) if each.id == name]
    return found.answer


def test_a_time_in_float_is_none_of_int8() -> None:
    rows = [
        row.model_copy(update={"latency": [latency(9.0), latency(0.9, runtime="torch", half_ms=0.01)],
                               "gates": {"int8_compiled": "0/5"}})
        if row.name == "LeNet-dynamic-int8" else row
        for row in variants()
    ]  # fmt: skip
    text = told("3.4.3", rows)
    assert "OpenVINO computes LeNet-dynamic-int8 (eager) in float, which tells nothing of int8" in text
    assert "slower on OpenVINO for LeNet-dynamic-int8" not in text
    assert "slower on eager-mode PyTorch for LeNet-dynamic-int8 (eager)" in text


def test_of_many_classes_the_worst_are_told() -> None:
    few = told("3.1", replaced("CNNScratch", accuracy=accuracy(70, 100)))
    assert "By class, it is right about 25.0% of the ants and 75.0% of the bees." in few
    many = accuracy(70, 100).model_copy(update={"by_class": {f"class{at}": at / 100 for at in range(20, 0, -1)}})
    text = told("3.1", replaced("CNNScratch", accuracy=many))
    assert "Of the 20 classes it is right least often about class1 (1.0%), class2 (2.0%) and class3 (3.0%)." in text
