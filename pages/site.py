"""``make site``: what the site is built of, gathered in .site, from which Zensical builds .site/html.

The pages keep their places, so that the links between them hold; a link to a file that is no page leads into the
repository. The references of the HTTP API and of the package are written here, from docs/openapi.json and the modules.
"""

import re
import shutil
import sys
import tomllib
from pathlib import Path

import yaml

from pages import api_reference

ROOT = Path(__file__).parents[1]
SITE = ROOT / ".site"
_SOURCE = SITE / "source"
_PACKAGE = ROOT / "layers" / "archiver" / "archiver"
_LINK = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)#\s]+)")
# What stands beside the pages, and may be linked to and shown.
_KEPT = {".md", ".png", ".svg", ".json", ".yaml"}
_GUIDES = {
    "Using it": ["dropping-a-dataset", "ingestor", "retrieving-a-dataset", "error-codes"],
    "Running it": ["operations", "scicat/README", "access", "cost"],
    # Each decision has a page, which their index leads to: too many for a list at the side.
    "Understanding it": ["architecture", "workflows", "decisions/index", "faults"],
}


def gather(mermaid: Path) -> None:
    """Write the sources and the settings of the site anew; ``mermaid`` is the script that draws diagrams."""
    shutil.rmtree(SITE, ignore_errors=True)
    for path in _pages():
        _copy(path)
    (_SOURCE / "assets").mkdir()
    shutil.copy(mermaid, _SOURCE / "assets" / "mermaid.min.js")
    index = (_SOURCE / "docs" / "index.md").read_text()
    (_SOURCE / "index.md").write_text(_LINK.sub(lambda link: f"docs/{link[1]}", index))
    (_SOURCE / "docs" / "index.md").unlink()
    (_SOURCE / "reference").mkdir()
    (_SOURCE / "reference" / "api.md").write_text(api_reference.page(ROOT / "docs" / "openapi.json"))
    settings = (Path(__file__).parent / "site.yml").read_text()
    (SITE / "mkdocs.yml").write_text(settings + yaml.safe_dump({"nav": _nav()}, sort_keys=False))


def _pages() -> list[Path]:
    docs = [path for path in (ROOT / "docs").rglob("*") if path.suffix in _KEPT]
    bench = [ROOT / "bench" / "report.md", *(ROOT / "bench").rglob("*.svg"), *(ROOT / "bench").rglob("*.png")]
    return [*ROOT.glob("*.md"), *docs, *bench]


def _copy(path: Path) -> None:
    target = _SOURCE / path.relative_to(ROOT)
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".md":
        target.write_text(_LINK.sub(lambda link: _led(path, link[1]), path.read_text()))
    else:
        shutil.copy(path, target)


def _led(page: Path, link: str) -> str:
    """The link as it is, or into the repository where the site does not have what it leads to."""
    to = (page.parent / link).resolve()
    if to == ROOT / "docs" / "index.md":
        return f"{'../' * len(page.relative_to(ROOT).parent.parts)}index.md"
    if to.suffix in _KEPT and (to.is_relative_to(ROOT / "docs") or to in _pages()):
        return link
    repository = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    return f"{repository}/blob/main/{to.relative_to(ROOT)}"


def _nav() -> list[object]:
    guides = [{title: [f"docs/{name}.md" for name in names]} for title, names in _GUIDES.items()]
    project = ["CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", {"Measurements": "bench/report.md"}]
    return [
        {"Home": "index.md"},
        {"Quick start": "README.md"},
        *guides,
        {"Reference": [{"HTTP API": "reference/api.md"}, {"Package": _package(_PACKAGE)}]},
        {"Project": project},
    ]


def _package(folder: Path) -> list[object]:
    """The pages of a package's modules; a package in it has a section of its own."""
    found: list[object] = []
    for path in sorted(folder.iterdir()):
        if (path / "__init__.py").is_file():
            found.append({path.name: _package(path)})
        elif path.suffix == ".py" and path.read_text().strip():
            module = ".".join(path.relative_to(_PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
            page = f"reference/{module}.md"
            (_SOURCE / page).write_text(f"# {module}\n\n::: {module}\n")
            found.append({module.rpartition(".")[2]: page})
    return found


if __name__ == "__main__":
    gather(Path(sys.argv[1]))
