"""The job configuration that operators are given is performed as SciCat performs it, escaping included."""

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mocks.scicat.jobs.configuration import read_job_configuration
from mocks.scicat.jobs.templates import Template
from mocks.scicat.releases import RELEASES
from mocks.scicat.settings import Groups, read_variables
from tests.contract.scicat.callers import Archiver, Scicat
from tests.contract.scicat.recordings import recordings
from tests.support.account import ROOT

type StartScicat = Callable[..., Scicat]

SHIPPED = sorted((ROOT / "docs" / "scicat").rglob("jobConfig.yaml"))
# The request that an archiver received, for credentials whose base64 ends in two signs of equality, one and none.
RECEIVED = {312: "archiver:secret1", 314: "archiver:secret12", 316: "archiver:secret"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
@pytest.mark.parametrize("number", RECEIVED)
@pytest.mark.parametrize("kind", ["archive", "retrieve"])
def test_the_shipped_configuration_sends_the_recorded_request_whatever_the_credentials_end_in(
    start_scicat: StartScicat, archiver: Archiver, path: Path, number: int, kind: str
) -> None:
    basic = base64.b64encode(RECEIVED[number].encode()).decode()
    scicat = start_scicat(jobs=path, ARCHIVER_URL=f"{archiver.url}/api/v1", ARCHIVER_BASIC=basic)
    pid = scicat.a_dataset(datasetlifecycle={"archivable": True, "retrievable": True})
    job = scicat.a_job(pid, kind)
    (received,) = archiver.received

    for release in RELEASES:
        (recorded,) = (recording for recording in recordings(release) if recording.number == number)
        headers = {name: value.replace("<token>", basic.rstrip("=")) for name, value in recorded.headers.items()}
        headers |= {"host": archiver.url.removeprefix("http://"), "content-length": str(len(received.body))}
        assert (received.method, received.path, dict(received.headers)) == (recorded.method, recorded.path, headers)
        assert received.body == re.sub(
            r'"id": "[^"]*", "type": "\w+"', f'"id": "{job}", "type": "{kind}"', recorded.body
        )


def test_there_is_a_configuration_to_ship() -> None:
    assert SHIPPED


def test_two_braces_escape_for_html_and_three_do_not() -> None:
    context = {"env": {"any": "&<>\"'`=/+"}}
    assert Template("{{ env.any }}").render(context) == "&amp;&lt;&gt;&quot;&#x27;&#x60;&#x3D;/+"
    assert Template("{{{ env.any }}}").render(context) == "&<>\"'`=/+"


def test_a_template_reaches_into_objects_and_lists_and_is_empty_where_there_is_nothing() -> None:
    context = {"datasets": [{"pid": "a/b"}], "job": {"done": True, "count": 3}}
    text = "{{{datasets.[0].pid}}}|{{datasets.1.pid}}|{{job.done}}|{{job.count}}|{{nothing.at.all}}"
    assert Template(text).render(context) == "a/b||true|3|"


def test_helpers_take_paths_texts_and_each_others_values() -> None:
    job = {"id": "1", "_id": "1", "type": "archive", "createdAt": "t", "createdBy": "user1", "statusCode": "s"}
    context = {"job": job | {"jobParams": {"datasetList": []}, "jobResultObject": {}}, "pid": "a/b c"}
    assert Template("{{{ base64enc 'a:b' }}}").render(context) == "YTpi"
    assert Template("{{{ urlencode pid }}}").render(context) == "a%2Fb%20c"
    assert '"username": "user1"' in Template("{{{ jsonify (job_v3 job) }}}").render(context)


@pytest.mark.parametrize("text", ["{{#each datasets}}{{/each}}", "{{> partial}}", "{{ upper job.id }}", "{{}}"])
def test_what_the_mock_does_not_render_is_refused_when_it_starts(text: str) -> None:
    with pytest.raises(ValueError, match=r"this mock renders|no helper"):
        Template(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("jobs: [{jobType: archive}]", "KeyError"),
        ("nothing", "TypeError"),
        ("jobs: [{jobType: a, create: {auth: x, actions: [{actionType: fax}]}, update: {auth: x}}]", "not 'fax'"),
        ("{", "ParserError|ScannerError"),
    ],
)
def test_a_file_that_is_no_job_configuration_is_named_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "jobConfig.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"(?s)jobConfig\.yaml is not a job configuration: .*({reason})"):
        read_job_configuration(path)


def test_settings_are_read_as_scicat_reads_its_own_file(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text(
        "# groups\nADMIN_GROUPS=admin, other # of the site\n\nexport SITE='a # b'\nARCHIVER_BASIC=YQ==\nX=\n"
    )
    expected = {"ADMIN_GROUPS": "admin, other", "SITE": "a # b", "ARCHIVER_BASIC": "YQ==", "X": ""}
    assert read_variables(path) == expected
    path.write_text("ADMIN_GROUPS: admin\n")
    with pytest.raises(ValueError, match="line 1: NAME=value expected"):
        read_variables(path)


def test_a_group_is_a_part_of_the_text_where_a_release_has_no_lists() -> None:
    assert Groups("other, archivemanager", is_list=False).name("manager")
    assert not Groups("other, archivemanager", is_list=True).name("manager")
    assert Groups("other, archivemanager", is_list=True).name("archivemanager")
