"""A document that a run writes down for its later steps: one name, one type."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document[T]:
    """``name`` in the run's folder; ``kind`` is a model, a dataclass, or a list of them."""

    name: str
    kind: type[T]
