"""The pure parts of making changed code live."""

import io
import zipfile
from pathlib import Path

import pytest

from local.configuration import StageFailed
from local.reload import resolve, substitute, zip_of


def test_only_names_in_braces_are_substituted() -> None:
    source = '{"Resource": "${ReadDropArn}", "pid.$": "$.pid", "text.$": "States.Format(\'$ {}\', $$.Execution.Name)"}'

    assert substitute(source, {"ReadDropArn": "any-arn"}) == source.replace("${ReadDropArn}", "any-arn")


def test_name_without_a_value_is_refused() -> None:
    with pytest.raises(KeyError, match="Unknown"):
        substitute("${Unknown}", {})


def test_references_of_the_built_template_become_names_and_arns() -> None:
    names = {"ReadDrop": "any-function", "Archive": "arn:aws:states:us-east-1:000000000000:stateMachine:any"}

    assert resolve("any text", names) == "any text"
    assert resolve({"Ref": "Archive"}, names) == names["Archive"]
    assert resolve({"Fn::GetAtt": ["Archive", "Arn"]}, names) == names["Archive"]
    arn = "arn:aws:lambda:us-east-1:000000000000:function:any-function"
    assert resolve({"Fn::GetAtt": ["ReadDrop", "Arn"]}, names) == arn


def test_reference_of_another_kind_is_refused() -> None:
    with pytest.raises(StageFailed, match="Fn::If"):
        resolve({"Fn::If": ["any", "a", "b"]}, {})


def test_zip_holds_the_files_and_nothing_compiled(tmp_path: Path) -> None:
    for name in ("app.py", "python/deep/module.py", "python/__pycache__/module.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("any")

    with zipfile.ZipFile(io.BytesIO(zip_of(tmp_path))) as archive:
        assert archive.namelist() == ["app.py", "python/deep/module.py"]
