"""Whether an answer is the recorded one, but for what is new in every run: ids, moments and tokens."""

import re
from typing import Any

_ID = re.compile(r"[0-9a-f]{24}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
# Everything that the recorded servers dated themselves they dated on this day, or at the begin of this month.
_DAY_OF_THE_RECORDING = "2026-11-30T"
_POLICY_DATES = frozenset({"archiveRetentionTime", "dateOfPublishing"})
_TOKEN = "<token>"


class Comparison:
    """Compares answers of one run; an id that stands for a recorded one must stand for it everywhere."""

    def __init__(self) -> None:
        self._actual: dict[str, str] = {}
        self._recorded: dict[str, str] = {}

    def differences(self, recorded: Any, actual: Any, at: str = "") -> list[str]:
        """Where and how the two differ; empty when they do not."""
        if isinstance(recorded, dict) and isinstance(actual, dict):
            if recorded.get("type") == actual.get("type") == "Buffer":
                return self._texts(bytes(recorded["data"]).hex(), bytes(actual["data"]).hex(), at)
            return self._of_objects(recorded, actual, at)
        if isinstance(recorded, list) and isinstance(actual, list):
            if len(recorded) != len(actual):
                return [f"{at}: {len(actual)} entries instead of {len(recorded)}: {str(actual)[:300]}"]
            pairs = enumerate(zip(recorded, actual, strict=True))
            return [
                difference
                for number, (was, now) in pairs
                for difference in self.differences(was, now, f"{at}[{number}]")
            ]
        if isinstance(recorded, str) and isinstance(actual, str):
            return self._texts(recorded, actual, at)
        same = type(recorded) is type(actual) and recorded == actual
        return [] if same else [f"{at}: {actual!r} instead of {recorded!r}"]

    def _of_objects(self, recorded: dict[str, Any], actual: dict[str, Any], at: str) -> list[str]:
        found = [f"{at}: no {name}" for name in recorded.keys() - actual.keys()]
        found += [f"{at}: {name} ({actual[name]!r}) is too much" for name in actual.keys() - recorded.keys()]
        for name in recorded.keys() & actual.keys():
            found += self.differences(recorded[name], actual[name], f"{at}.{name}")
        return found

    def _texts(self, recorded: str, actual: str, at: str) -> list[str]:
        if recorded == actual or self._is_new(recorded, actual, at.rpartition(".")[2]):
            return []
        return [f"{at}: {actual!r} instead of {recorded!r}"]

    def _is_new(self, recorded: str, actual: str, name: str) -> bool:
        """Whether the text stands for the recorded one."""
        if recorded == _TOKEN:
            return bool(actual)
        if _MOMENT.fullmatch(recorded) and _MOMENT.fullmatch(actual):
            is_policy = name in _POLICY_DATES and actual.endswith("T00:00:00.000Z")
            return is_policy or recorded.startswith(_DAY_OF_THE_RECORDING)
        return self._texts_with_ids(recorded, actual)

    def _texts_with_ids(self, recorded: str, actual: str) -> bool:
        were, are = (list(_ID.finditer(text)) for text in (recorded, actual))
        if len(were) != len(are) or _ID.sub("", recorded) != _ID.sub("", actual):
            return False
        return all(self._same(was[0], now[0]) for was, now in zip(were, are, strict=True))

    def _same(self, recorded: str, actual: str) -> bool:
        known = self._actual.setdefault(recorded, actual) == actual and len(recorded) == len(actual)
        return known and self._recorded.setdefault(actual, recorded) == recorded
