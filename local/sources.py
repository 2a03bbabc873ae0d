"""Fingerprints of what is deployed, part by part, so that only what changed is done again."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from local.configuration import ROOT

LAYER = "ArchiverLayer"


@dataclass(frozen=True, slots=True)
class Sources:
    """The fingerprint of each part of the source; the keys are logical ids of the template."""

    template: str
    dependencies: str
    layer: str
    functions: dict[str, str]
    workflows: dict[str, str]

    @classmethod
    def read(cls, root: Path = ROOT) -> "Sources":
        """Read them from the working tree."""
        layer = root / "layers" / "archiver"
        return cls(
            template=_fingerprint([root / "template.yaml", root / "samconfig.toml"]),
            dependencies=_fingerprint([layer / "requirements.txt"]),
            layer=_fingerprint(source_files(layer / "archiver")),
            functions={
                logical_id(app.parent.name): _fingerprint(source_files(app.parent))
                for app in sorted((root / "functions").glob("*/app.py"))
            },
            workflows={
                logical_id(file.name.partition(".")[0]): _fingerprint([file])
                for file in sorted((root / "statemachine").glob("*.asl.json"))
            },
        )


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs from what is deployed. ``everything`` when only a deployment can make it live."""

    everything: bool
    layer: bool
    functions: tuple[str, ...]
    workflows: tuple[str, ...]

    @classmethod
    def between(cls, deployed: Sources, current: Sources) -> "Changes":
        """Compare: a function that came or went, the template and the dependencies need a deployment."""
        everything = (
            (deployed.template, deployed.dependencies) != (current.template, current.dependencies)
            or deployed.functions.keys() != current.functions.keys()
            or deployed.workflows.keys() != current.workflows.keys()
        )
        return cls(
            everything=everything,
            layer=deployed.layer != current.layer,
            functions=_changed(deployed.functions, current.functions),
            workflows=_changed(deployed.workflows, current.workflows),
        )


def logical_id(folder: str) -> str:
    """The name in the template of ``functions/<folder>`` or ``statemachine/<folder>.asl.json``."""
    return "".join(word.capitalize() for word in folder.split("_"))


def folder_name(logical: str) -> str:
    """The other way round: ``PackageDatablock`` → ``package_datablock``."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in logical).lstrip("_")


def source_files(folder: Path) -> list[Path]:
    """Every file below ``folder`` that belongs into a package, sorted."""
    return sorted(file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def _changed(deployed: dict[str, str], current: dict[str, str]) -> tuple[str, ...]:
    return tuple(name for name, fingerprint in current.items() if deployed.get(name) != fingerprint)


def _fingerprint(files: Iterable[Path]) -> str:
    whole = sha256()
    for file in files:
        whole.update(f"{file.name}\0".encode() + sha256(file.read_bytes()).digest())
    return whole.hexdigest()
