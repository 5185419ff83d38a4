"""The base of all records."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of all records: frozen, keyword-only; keys of a newer Petiole are ignored, NaN and infinity refused."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
