"""What the accounts of this service may do in SciCat, asked for in ways that change nothing.

SciCat looks at an account's groups before it looks at what is asked: a request that nothing could come of is refused
with 403 to whoever lacks the right, and in other words (400, 404, 500) to whoever has it. SciCat 4.28.0, 5.2.1 and its
master 783086a agree in all that is asked here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from archiver.errors import Code, ServiceRefused
from archiver.log import logger
from archiver.scicat import shapes
from archiver.scicat.jobs import JOBS_PATH
from archiver.scicat.paths import dataset_path
from archiver.scicat.session import Session
from archiver.scicat.transport import Request

# Nothing has this name.
_NOTHING = "00000000-0000-4000-8000-000000000000"
# Nobody is in this group, and no dataset belongs to it.
NOBODY = "archiver-rights"
_NO_DATABLOCK = {
    "archiveId": "",
    "size": 0,
    "packedSize": 0,
    "version": "",
    "dataFileList": [{"path": "", "size": 0, "time": "1970-01-01T00:00:00.000Z"}],
}

_MALFORMED, _BROKEN = frozenset({400, 422}), frozenset({400, 422, 500})


@dataclass(frozen=True, slots=True)
class Right:
    """Something that an account of this service must be allowed to do.

    ``setting`` is the variable of SciCat that names the groups that may. Without a right that is not ``needed``
    datasets are archived and given back all the same.
    """

    what: str
    setting: str
    needed: bool = True
    hint: str = ""

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.what}: put its account into a group of {self.setting}{hint}"


UPDATE_JOBS = Right(
    "read and update jobs",
    "UPDATE_JOB_PRIVILEGED_GROUPS",
    hint="and into none of CREATE_JOB_PRIVILEGED_GROUPS: another account creates jobs",
)
CREATE_JOBS = Right(
    "create jobs for others",
    "CREATE_JOB_PRIVILEGED_GROUPS",
    hint="and into none of UPDATE_JOB_PRIVILEGED_GROUPS: another account updates jobs",
)
CREATE_DATASETS = Right("register datasets and datablocks of any group", "CREATE_DATASET_PRIVILEGED_GROUPS")
DELETE_DATABLOCKS = Right("remove the datablocks of an archive that failed", "DELETE_GROUPS", needed=False)


def missing(account: Session, jobs_account: Session) -> Iterator[Right]:
    """What can be seen to be missing without a dataset or a job to look at.

    That an account may create jobs for others, or change the lifecycle of a dataset, is not seen like this: SciCat
    looks at the job's datasets, or at the new values, first.
    """
    if not _may(account, Request("PATCH", f"{JOBS_PATH}/{_NOTHING}", shapes.impossible, {}, expects=_MALFORMED)):
        yield UPDATE_JOBS
    if not _may(jobs_account, Request("POST", JOBS_PATH, shapes.impossible, {}, expects=_MALFORMED)):
        yield CREATE_JOBS
    if not _may_create_datasets(account):
        yield CREATE_DATASETS
    if not _may_delete(account):
        yield DELETE_DATABLOCKS


def missing_to_archive(account: Session, pid: str) -> Iterator[Right]:
    """What is missing for recording the datablocks of this dataset, and for removing the records again."""
    if not (_may_create_datasets(account) or _may_add_datablocks(account, pid)):
        yield CREATE_DATASETS
    if not _may_delete(account):
        yield DELETE_DATABLOCKS


def _may_create_datasets(account: Session) -> bool:
    """Whoever may register datasets of any group may add datablocks to any dataset, too."""
    asked = {"type": "raw", "ownerGroup": NOBODY}
    return _may(account, Request("POST", "/api/v3/datasets/isValid", shapes.VALIDITY, asked))


def _may_add_datablocks(account: Session, pid: str) -> bool:
    """Released SciCat lets any account add datablocks, unless ``CREATE_DATASET_GROUPS`` names groups.

    It answers 500 to who may: a datablock without a name fails at the database. So this is asked only when in doubt.
    """
    path = f"{dataset_path(pid)}/datablocks"
    return _may(account, Request("POST", path, shapes.impossible, _NO_DATABLOCK, expects=_BROKEN))


def _may_delete(account: Session) -> bool:
    nothing = f"{dataset_path(f'{NOBODY}/{_NOTHING}')}/datablocks/{_NOTHING}"
    return _may(account, Request("DELETE", nothing, shapes.impossible))


def _may(account: Session, request: Request) -> bool:
    """Whether SciCat would do this. Raises as ``Catalogue`` says when it gives no answer to that."""
    answer = account.ask(request)
    if answer.status == 401 or answer.no_route:
        raise answer.failure()
    return answer.status != 403


def need(missing: Iterable[Right]) -> None:
    """Refuse when one of these rights is needed, and log those that are not."""
    lacking = list(missing)
    needed = [right for right in lacking if right.needed]
    if needed:
        sentence = "; ".join(f"SciCat does not let the archiver {right}" for right in needed)
        raise ServiceRefused(Code.SCICAT_FORBIDDEN, f"{sentence}.")
    for right in lacking:
        logger.warning("the archiver lacks a right in SciCat", extra={"right": str(right)})
