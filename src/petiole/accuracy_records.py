"""Accuracy and its paired comparison as records that agree with themselves, or are refused."""

from pydantic import Field, model_validator

from petiole.record import Record

MOST = 10**15
"""More pictures, weights, bytes or operations there are not."""
ROUNDING = 1e-9


class Accuracy(Record):
    """Accuracy on the test split with its Wilson 95% interval.

    ``confusion[i][j]`` counts pictures of true class ``i`` that were called class ``j``.
    """

    correct: int = Field(ge=0)  #: pictures called rightly
    total: int = Field(ge=1, le=MOST)  #: pictures of the test split
    value: float = Field(ge=0, le=1)  #: ``correct / total``
    ci95: tuple[float, float]  #: both ends of the Wilson interval
    by_class: dict[str, float]  #: share of each class that is called rightly
    confusion: list[list[int]] = Field(default_factory=list)  #: true class by row, called class by column

    @model_validator(mode="after")
    def _is_possible(self) -> "Accuracy":
        if self.correct > self.total:
            raise ValueError(f"{self.correct} of {self.total} pictures cannot be right")
        if abs(self.value - self.correct / self.total) > ROUNDING:
            raise ValueError(f"{self.correct} of {self.total} pictures are not {self.value:g}")
        low, high = self.ci95
        if not -ROUNDING <= low <= self.value + ROUNDING or not self.value - ROUNDING <= high <= 1 + ROUNDING:
            raise ValueError(f"{low:g} to {high:g} is no interval of {self.value:g}")
        if not all(0 <= share <= 1 for share in self.by_class.values()):
            raise ValueError("the accuracy of a class is no share")
        self._require_confusion()
        return self

    def _require_confusion(self) -> None:
        if not self.confusion:
            return
        if any(len(line) != len(self.confusion) for line in self.confusion):
            raise ValueError("the confusion matrix is not square")
        right = sum(line[i] for i, line in enumerate(self.confusion))
        if (right, sum(map(sum, self.confusion))) != (self.correct, self.total):
            raise ValueError(f"the confusion matrix does not hold {self.correct} right of {self.total} pictures")


class VersusParent(Record):
    """Paired comparison with the parent on the same pictures: flips, and the exact McNemar p-value."""

    lost: int = Field(ge=0, le=MOST)  #: pictures only the parent called rightly
    gained: int = Field(ge=0, le=MOST)  #: pictures only this network called rightly
    mcnemar_p: float = Field(ge=0, le=1)  #: two-sided, exact

    def require_within(self, accuracy: Accuracy) -> None:
        """Refuse more flips than ``accuracy``, of this network on the same pictures, leaves room for.

        Raises:
            ValueError: more pictures are gained than are right, or more are lost than are wrong.
        """
        wrong = accuracy.total - accuracy.correct
        if self.gained > accuracy.correct or self.lost > wrong:
            raise ValueError(
                f"{self.gained} pictures gained and {self.lost} lost do not go with {accuracy.correct} of "
                f"{accuracy.total} right"
            )
