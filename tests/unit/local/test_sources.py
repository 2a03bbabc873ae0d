"""What changed since it was deployed."""

from pathlib import Path

import pytest

from local.sources import Changes, Sources, folder_name, logical_id

NOTHING = Changes(everything=False, layer=False, functions=(), workflows=())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small working tree."""
    for name in (
        "template.yaml",
        "samconfig.toml",
        "functions/read_drop/app.py",
        "functions/begin_job/app.py",
        "statemachine/archive_dataset.asl.json",
        "layers/archiver/requirements.txt",
        "layers/archiver/archiver/keys.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("any")
    return tmp_path


def changes_after(root: Path, file: str) -> Changes:
    """What is seen when ``file`` gets other content."""
    before = Sources.read(root)
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text("other")
    return Changes.between(before, Sources.read(root))


def test_unchanged_tree_has_no_changes(root: Path) -> None:
    assert Changes.between(Sources.read(root), Sources.read(root)) == NOTHING


def test_changed_function_is_named_as_in_the_template(root: Path) -> None:
    assert changes_after(root, "functions/read_drop/app.py").functions == ("ReadDrop",)


def test_changed_workflow_is_named_as_in_the_template(root: Path) -> None:
    assert changes_after(root, "statemachine/archive_dataset.asl.json").workflows == ("ArchiveDataset",)


def test_changed_package_is_a_change_of_the_layer(root: Path) -> None:
    assert changes_after(root, "layers/archiver/archiver/keys.py").layer


@pytest.mark.parametrize(
    "file",
    [
        "template.yaml",
        "samconfig.toml",
        "layers/archiver/requirements.txt",
        "functions/new_step/app.py",
        "statemachine/new_workflow.asl.json",
    ],
)
def test_what_only_a_deployment_makes_live_changes_everything(root: Path, file: str) -> None:
    assert changes_after(root, file).everything


def test_compiled_files_are_no_change(root: Path) -> None:
    assert changes_after(root, "functions/read_drop/__pycache__/app.pyc") == NOTHING


@pytest.mark.parametrize(("folder", "logical"), [("api", "Api"), ("package_datablock", "PackageDatablock")])
def test_names_of_folders_and_of_the_template_follow_from_each_other(folder: str, logical: str) -> None:
    assert logical_id(folder) == logical
    assert folder_name(logical) == folder
