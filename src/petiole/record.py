"""The base of all records."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of all records: frozen, keyword-only; keys of a newer Petiole are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")
