"""What lies in a dropped folder and is not part of its archive: named in SciCat and in dataset.status.json."""

from collections.abc import Sequence

from archiver.aws import step_functions
from archiver.errors import MAX_NAMED_FILES
from archiver.ingest import Drop, DropStatus, drop_folder
from archiver.keys import Keys
from archiver.log import logger
from archiver.models.states import Run
from archiver.reporting.warnings import NAMED, ArchiveWarning, WarningCode
from archiver.scicat import catalogue
from archiver.settings import settings
from archiver.storage import sources
from archiver.wording import counted

_ARCHIVED = "The dataset is archived."


def tell(pid: str, job: str | None, drop: Drop, left: Sequence[str], *, told: bool = False) -> None:
    """Say beside dataset.json that the dataset is archived, and there and in SciCat which files stay behind.

    ``left`` are their paths. ``told``: something may have been said before that does not hold any more.
    """
    if left or told:
        _tell_catalogue(pid, left)
    message = f"{_ARCHIVED} {_sentence(len(left))}" if left else _ARCHIVED
    named = tuple(left[:MAX_NAMED_FILES])
    status = DropStatus(status="archived", message=message, job=job, files=named, count=len(left))
    drop_folder.write_status(drop, status, pid)


def tell_of_run(run: Run, prefix: str, left: Sequence[str]) -> None:
    """Tell what is left where the run's files lay: in a dropped folder its owner, of other uploads the operator."""
    if not prefix.startswith(Keys.DROPS):
        if left:
            logger.warning("what came after the archive stays for the sweep", extra={"files": left[:MAX_NAMED_FILES]})
        return
    execution_arn = step_functions.execution_arn(settings().archive_dataset_state_machine_arn, run.run_id)
    tell(run.pid, run.job_id, Drop(run_id=run.run_id, execution_arn=execution_arn, prefix=prefix), left)


def tell_of_news(folder: str, pid: str, said: DropStatus) -> bool:
    """Say what came into an archived drop's folder since ``said``, or was taken away; whether there was anything.

    Whoever writes into a folder may have written what is ``said`` there, or copied it from another dataset's.
    """
    upload = sources.upload_of(pid)
    if not sources.owns_upload(pid, upload) or upload.prefix != folder:
        return False
    left = [found.key.removeprefix(upload.prefix) for found in sources.uploaded(upload)]
    if (len(left), tuple(left[:MAX_NAMED_FILES])) == (said.count, said.files):
        return False
    run_id = said.execution.rpartition(":")[2]
    tell(pid, said.job, Drop(run_id=run_id, execution_arn=said.execution, prefix=upload.prefix), left, told=True)
    return True


def _sentence(count: int) -> str:
    lie = counted(count, "file in its folder is", "files in its folder are")
    return f"{lie} not part of it: take them away, or drop them as another dataset."


def _tell_catalogue(pid: str, left: Sequence[str]) -> None:
    """Put the warning into what SciCat was told of the archive, in place of an older one."""
    dataset = catalogue().need_dataset(pid)
    message = dict(dataset.lifecycle.get("archiveReturnMessage") or {"code": "archived", "message": _ARCHIVED})
    warnings = [one for one in message.get("warnings", ()) if one.get("code") != WarningCode.LEFT_BEHIND]
    if left:
        warning = ArchiveWarning(
            code=WarningCode.LEFT_BEHIND, message=_sentence(len(left)), files=tuple(left[:NAMED]), count=len(left)
        )
        warnings.append(warning.model_dump(mode="json"))
    catalogue().update_lifecycle(pid, archiveReturnMessage=message | {"warnings": warnings})
