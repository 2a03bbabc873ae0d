"""SciCat's own settings, by the names of its environment variables: groups, pids, tokens."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mocks.scicat.releases import Release

EVERYONE = "#all"

DEFAULTS: Mapping[str, str] = {
    "ADMIN_GROUPS": "admin",
    "DELETE_GROUPS": "archivemanager",
    "CREATE_DATASET_GROUPS": EVERYONE,
    "CREATE_DATASET_WITH_PID_GROUPS": "",
    "CREATE_DATASET_PRIVILEGED_GROUPS": "ingestor",
    "UPDATE_DATASET_LIFECYCLE_GROUPS": "archivemanager",
    "CREATE_JOB_PRIVILEGED_GROUPS": "jobcreators",
    "UPDATE_JOB_PRIVILEGED_GROUPS": "jobmanager",
    "DELETE_JOB_GROUPS": "",
    "PID_PREFIX": "PID.SAMPLE.PREFIX",
    "JWT_EXPIRES_IN": "3600",
    "TRACKABLES": "Dataset",
    "DATASET_CREATION_VALIDATION_ENABLED": "false",
    "DATASET_CREATION_VALIDATION_REGEX": "",
}


@dataclass(frozen=True, slots=True)
class Groups:
    """A setting that names groups: a list, or one text of which a group's name is a part."""

    text: str
    is_list: bool

    @property
    def names(self) -> frozenset[str]:
        """The groups of a list."""
        return frozenset(name.strip() for name in self.text.split(",")) - {""}

    @property
    def everyone(self) -> bool:
        """Whether the setting is for all who are logged in."""
        return EVERYONE in self.names

    def name(self, group: str) -> bool:
        """Whether the setting names this group."""
        return group in self.names if self.is_list else group in self.text

    def include(self, groups: Iterable[str]) -> bool:
        """Whether the setting names one of these groups."""
        return any(self.name(group) for group in groups)


@dataclass(frozen=True, slots=True)
class Settings:
    """One installation: which groups may what, how its pids look, and how long a login lasts (in seconds)."""

    admin: Groups
    delete: Groups
    create_dataset: Groups
    create_dataset_with_pid: Groups
    create_dataset_privileged: Groups
    update_dataset_lifecycle: Groups
    create_job: Groups
    update_job: Groups
    delete_job: Groups
    pid_prefix: str
    pid_rule: re.Pattern[str] | None
    token_seconds: int
    keeps_history: bool

    @classmethod
    def of(cls, variables: Mapping[str, str], release: Release) -> "Settings":
        """The settings that these variables make on a release; what they leave out has its default."""
        given = {**DEFAULTS, **variables}

        def always_a_list(name: str) -> Groups:
            return Groups(given[name], is_list=True)

        def groups(name: str) -> Groups:
            return Groups(given[name], is_list=release.group_settings_are_lists)

        checked = given["DATASET_CREATION_VALIDATION_ENABLED"] == "true"
        return cls(
            admin=always_a_list("ADMIN_GROUPS"),
            delete=always_a_list("DELETE_GROUPS"),
            create_dataset=always_a_list("CREATE_DATASET_GROUPS"),
            create_dataset_with_pid=always_a_list("CREATE_DATASET_WITH_PID_GROUPS"),
            create_dataset_privileged=always_a_list("CREATE_DATASET_PRIVILEGED_GROUPS"),
            update_dataset_lifecycle=groups("UPDATE_DATASET_LIFECYCLE_GROUPS"),
            create_job=groups("CREATE_JOB_PRIVILEGED_GROUPS"),
            update_job=groups("UPDATE_JOB_PRIVILEGED_GROUPS"),
            delete_job=groups("DELETE_JOB_GROUPS"),
            pid_prefix=given["PID_PREFIX"].rstrip("/"),
            pid_rule=re.compile(given["DATASET_CREATION_VALIDATION_REGEX"]) if checked else None,
            token_seconds=int(given["JWT_EXPIRES_IN"]),
            keeps_history="Dataset" in given["TRACKABLES"].split(","),
        )


def read_variables(path: Path) -> dict[str, str]:
    """The variables of a file of lines ``NAME=value``, as SciCat reads its ``.env``. Raises ValueError with the line.

    Blank lines and comments do not count, values may be in quotes, and a comment may follow a value after a blank.
    """
    found = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"\w+", name.strip()):
            raise ValueError(f"{path}, line {number}: NAME=value expected, not {line!r}")
        found[name.strip()] = _value(value.strip())
    return found


def _value(text: str) -> str:
    for quote in "'\"":
        if text.startswith(quote) and quote in text[1:]:
            return text[1 : text.index(quote, 1)]
    return re.split(r"\s+#", text, maxsplit=1)[0].rstrip()
