"""Writes ``docs/cost.md``: what the service costs on AWS, from the last report's counts and the table of prices."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.report.cost import TB, Work, bill, in_same_account, prices, recall, scaled, storage, tiers, work_of
from local.configuration import ROOT
from tests.support.template import TEMPLATE, resources_of

PAGE = ROOT / "docs" / "cost.md"
_BY_BYTES, _BY_FILES = "16 × 64 MiB", "3,000 × 20 KB"
_MILLION = 10**6
_DATABLOCKS_OF_A_TB = 47  # of 20 GiB
_DWELLS = (1, 7, 30)
_RETRIEVAL_DAYS = 8


def write(report: Mapping[str, Any]) -> None:
    """Write the page. Raises KeyError when the report has no shapes."""
    PAGE.write_text("\n".join(page(report["shapes"])) + "\n")


def page(rounds: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The lines of the page."""
    per_tb, per_million = _scaled(rounds)
    yield "# What it costs"
    yield ""
    yield "Written by `make bench`, from the requests that were counted on the local stack (`bench/report.json`) and"
    yield f"the prices of {prices()['region']} in `bench/prices.json`, in US dollars, without tax and discounts."
    yield "Function seconds are those of the machine that measured: on AWS they differ, and are measured there."
    yield ""
    yield from _archiving(per_tb, per_million)
    yield from _waiting()
    yield from _keeping()
    yield from _recalling()
    yield from _elsewhere(per_tb)
    yield from _price_table()


def _scaled(rounds: Sequence[Mapping[str, Any]]) -> tuple[Work, Work]:
    """The work of a terabyte in large files, and of a million small ones; the last round is a warm one."""
    memory = {
        name: properties.get("MemorySize", TEMPLATE["Globals"]["Function"]["MemorySize"])
        for name, properties in resources_of("AWS::Serverless::Function").items()
    }
    last = {figures["shape"]: work_of(figures, memory) for figures in rounds}
    large, small = last[_BY_BYTES], last[_BY_FILES]
    return scaled(large, TB / large.size), scaled(small, _MILLION / small.files)


def _archiving(per_tb: Work, per_million: Work) -> Iterator[str]:
    yield "## Archiving"
    yield ""
    yield "Once, for the long-term storage in the same account; what a dataset takes whatever its size"
    yield f"(some 50 transitions and 20 calls) is {_dollars(50 * 0.025 / 1000 + 20 * 0.2 / 1e6)} more."
    yield ""
    yield "| | storage class | S3 requests | requests of the class | functions | whole |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, work in (("1 TB in large files", per_tb), ("1,000,000 files of 20 KB", per_million)):
        for storage_class in prices()["storage_gb_month"]:
            one = bill(in_same_account(work), storage_class)
            cells = (one.s3_requests, one.lts_requests, one.functions, one.whole)
            yield _row(name, storage_class, *map(_dollars, cells))
    yield ""


def _waiting() -> Iterator[str]:
    yield "## Waiting to be archived"
    yield ""
    yield "What lies in the landing bucket is kept in STANDARD; while a tar is built, staging keeps as much again."
    yield ""
    yield "| days | 1 TB |"
    yield "| --- | --- |"
    for days in _DWELLS:
        yield _row(str(days), _dollars(storage(TB, "STANDARD", days)))
    yield ""


def _keeping() -> Iterator[str]:
    yield "## Keeping"
    yield ""
    yield "| storage class | 1 TB, a month | 1 TB, a year | 1 TB, ten years | the least that is charged |"
    yield "| --- | --- | --- | --- | --- |"
    for storage_class in prices()["storage_gb_month"]:
        least = prices()["least_days"][storage_class]
        # A month of a class that charges for more is still shown as a month.
        month = storage(TB, storage_class, 3600) / 120
        costs = (month, 12 * month, 120 * month)
        yield _row(storage_class, *map(_dollars, costs), f"{least} days" if least else "-")
    yield ""


def _recalling() -> Iterator[str]:
    yield "## Recalling"
    yield ""
    yield f"1 TB in {_DATABLOCKS_OF_A_TB} datablocks of 20 GiB, and its copy for {_RETRIEVAL_DAYS} days in STANDARD."
    yield ""
    yield "| storage class | tier | recall | copy | together |"
    yield "| --- | --- | --- | --- | --- |"
    copy = storage(TB, "STANDARD", _RETRIEVAL_DAYS)
    for storage_class, tier in tiers():
        asked = recall(TB, _DATABLOCKS_OF_A_TB, storage_class, tier)
        yield _row(storage_class, tier, _dollars(asked), _dollars(copy), _dollars(asked + copy))
    yield ""


def _elsewhere(per_tb: Work) -> Iterator[str]:
    away = TB / 1e9 * prices()["transfer_out_gb"]["price"]
    own = bill(per_tb, "STANDARD").s3_requests
    yield "## When the long-term storage is another service"
    yield ""
    yield f"Its requests and its space are its own. On AWS 1 TB then takes {_dollars(own)} of S3 requests, for each"
    yield f"byte is read again, and {_dollars(away)} of transfer when it leaves by the internet, as a download does."
    yield ""


def _price_table() -> Iterator[str]:
    table = prices()
    yield "## Prices"
    yield ""
    yield "| what | price | source |"
    yield "| --- | --- | --- |"
    for storage_class, one in table["storage_gb_month"].items():
        yield _row(f"{storage_class}, GB and month", f"${one['price']}", one["source"])
    for storage_class, one in table["put_per_1000"].items():
        yield _row(f"{storage_class}, 1,000 PUT, COPY, POST or LIST", f"${one['price']}", one["source"])
    for storage_class, tier in tiers():
        one = table["recall"][storage_class][tier]
        yield _row(f"{storage_class} {tier}: GB, 1,000 requests", f"${one['gb']}, ${one['per_1000']}", one["source"])
    for name, words in _SINGLE.items():
        yield _row(words, f"${table[name]['price']}", table[name]["source"])
    yield ""
    yield "Sources:"
    yield ""
    for letter, source in table["sources"].items():
        yield f"* **{letter}**: {source['what']} (<{source['url']}>)"


_SINGLE = {
    "get_per_1000": "STANDARD, 1,000 GET or HEAD",
    "lambda_gb_second": "Lambda, GB-second",
    "lambda_per_million": "Lambda, 1,000,000 calls",
    "transition_per_1000": "Step Functions, 1,000 transitions",
    "transfer_out_gb": "Transfer to the internet, GB (first 10 TB of a month)",
}


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 0.1 else f"${amount:.4f}"
