"""What an archive costs on AWS, from counted requests and a table of prices: ``docs/cost.md``. Pure arithmetic.

The counts are of the local stack, whose requests are those that AWS would bill; its seconds are this machine's.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from archiver.lts.long_term_storage import COPIED_PART, STREAMED_PART

GB, TB = 10**9, 10**12
DAYS_OF_MONTH = 30.0
_FREE = ("Delete", "Abort")
_READS = ("Get", "Head")
_FOLDER = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Work:
    """What ``size`` bytes in ``files`` files took: requests, GB-seconds and calls of functions, transitions.

    ``requests`` are by service and operation ("s3 GetObject"); those to the long-term storage begin with "elsewhere".
    """

    files: int
    size: int
    requests: Mapping[str, int]
    gb_seconds: float
    calls: int
    transitions: int


@dataclass(frozen=True, slots=True)
class Bill:
    """Dollars, by what they are paid for."""

    s3_requests: float
    lts_requests: float
    functions: float
    workflows: float

    @property
    def whole(self) -> float:
        """All of it."""
        return self.s3_requests + self.lts_requests + self.functions + self.workflows


@cache
def prices() -> dict[str, Any]:
    """The table of prices, in dollars."""
    table: dict[str, Any] = json.loads((_FOLDER / "prices.json").read_text())
    return table


def work_of(figures: Mapping[str, Any], memory_mb: Mapping[str, int]) -> Work:
    """The work in the figures of one archive; ``memory_mb`` is what each function is given."""
    seconds = figures["lambda_seconds"]
    return Work(
        files=figures["files"],
        size=figures["size"],
        requests=sum((Counter(of_function) for of_function in figures["requests"].values()), Counter[str]()),
        gb_seconds=sum(seconds[name] * memory_mb[name] / 1024 for name in seconds),
        calls=sum(figures["calls"].values()),
        transitions=sum(figures["transitions"].values()),
    )


def bill(work: Work, storage_class: str) -> Bill:
    """What the work costs when tars lie in ``storage_class``, in a bucket of the same account."""
    table = prices()
    ours, theirs = 0.0, 0.0
    for name, count in work.requests.items():
        service, _, operation = name.partition(" ")
        if service == "s3":
            ours += count * _request_price(operation, "STANDARD")
        else:
            theirs += count * _request_price(operation, storage_class)
    functions = work.gb_seconds * table["lambda_gb_second"]["price"]
    functions += work.calls * table["lambda_per_million"]["price"] / 1e6
    return Bill(ours, theirs, functions, work.transitions * table["transition_per_1000"]["price"] / 1000)


def _request_price(operation: str, storage_class: str) -> float:
    """Of one request. Deletes and aborts are free; lists, and the beginning of an upload, cost what a PUT costs."""
    if operation.startswith(_FREE):
        return 0.0
    if operation.startswith(_READS):
        return float(prices()["get_per_1000"]["price"]) / 1000
    return float(prices()["put_per_1000"][storage_class]["price"]) / 1000


def storage(size: int, storage_class: str, days: float) -> float:
    """Dollars for keeping ``size`` bytes for so many days, or for the least that the class charges."""
    charged = max(days, float(prices()["least_days"][storage_class]))
    rate = float(prices()["storage_gb_month"][storage_class]["price"])
    return size / GB * rate * charged / DAYS_OF_MONTH


def recall(size: int, datablocks: int, storage_class: str, tier: str) -> float:
    """Dollars for recalling tars of so many bytes in all."""
    rates = prices()["recall"][storage_class][tier]
    return float(size / GB * rates["gb"] + datablocks * rates["per_1000"] / 1000)


def tiers() -> Iterator[tuple[str, str]]:
    """Every storage class with each of its recall tiers."""
    for storage_class, rates in prices()["recall"].items():
        for tier in rates:
            yield storage_class, tier


def in_same_account(work: Work) -> Work:
    """The same work when the long-term storage is a bucket of the same account.

    What was streamed in parts of 8 MiB, each read and sent, S3 then copies by itself in parts of 256 MiB.
    """
    streamed = work.requests["elsewhere UploadPart"]
    requests = Counter(work.requests)
    requests["s3 GetObject"] -= streamed
    requests["elsewhere UploadPart"] = -(-streamed * STREAMED_PART // COPIED_PART)
    return replace(work, requests=requests)


def scaled(work: Work, factor: float) -> Work:
    """So many times the work, without what each dataset takes once: transitions and calls."""
    requests = {name: round(count * factor) for name, count in work.requests.items()}
    return replace(
        work,
        files=round(work.files * factor),
        size=round(work.size * factor),
        requests=requests,
        gb_seconds=work.gb_seconds * factor,
        calls=0,
        transitions=0,
    )
