"""What the archiver needs of a SciCat before there are jobs: the server, the accounts, a dataset and its datablocks.

The facts behind the checks are recordings of SciCat 4.28.0, 5.2.1 and master.
"""

from urllib.parse import urlsplit

import httpx

from archiver.errors import Code, ServiceRefused, ServiceUnavailable
from archiver.models.catalogue import CatalogueDatablock
from archiver.scicat import Catalogue
from local.configuration import Login
from local.doctor.check import Doubt, Fault, Untried, check
from local.doctor.direct import Direct, Told, dataset_path
from local.doctor.visit import FILES, Visit

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def _has_two_accounts(visit: Visit) -> bool:
    return visit.patient.creator is not None


# The server


@check(
    "SciCat answers",
    mend="SCICAT_URL (SciCatUrl of the deployment) is the address of SciCat's backend, without /api/v3.",
)
def reachable(visit: Visit) -> str:
    """Over TLS with a certificate that this machine trusts, and with its database."""
    try:
        told = visit.nobody.ask("GET", "/api/v3/health")
    except httpx.ConnectError as error:
        raise _not_connected(visit, error) from None
    except httpx.HTTPError as error:
        raise Fault(f"{visit.patient.url} does not answer ({type(error).__name__})") from None
    if not isinstance(told.body, dict) or "status" not in told.body:
        raise Fault(f"What answers at {visit.patient.url} is not SciCat's backend ({told.status} to /api/v3/health)")
    if not told.ok:
        raise Fault(f"{told}; it says that it is not healthy", "Start SciCat's MongoDB, or see its log.")
    address = urlsplit(visit.patient.url)
    if address.scheme == "http" and address.hostname not in _LOOPBACK:
        raise Doubt(f"{visit.patient.url} is healthy, and not encrypted: passwords travel in the clear", "Use https.")
    return f"{visit.patient.url} is healthy"


def _not_connected(visit: Visit, error: httpx.ConnectError) -> Fault:
    if "CERTIFICATE" in str(error):
        return Fault(
            f"The certificate of {visit.patient.url} is not trusted ({error})",
            "Give SciCat a certificate of an authority that is trusted everywhere: AWS's runtime knows no others.",
        )
    return Fault(f"{visit.patient.url} cannot be reached ({error})")


@check(
    "its release has what the archiver needs",
    needs=(reachable,),
    mend="Update SciCat: docs/scicat/README.md lists the releases that work.",
)
def release(visit: Visit) -> str:
    """The routes that came with api v4 jobs and with the lifecycle's own route."""
    needed = {
        f"{dataset_path('any')}/datasetlifecycle": "no route for a dataset's lifecycle",
        "/api/v4/jobs": "no jobs by api v4",
    }
    missing = [sentence for path, sentence in needed.items() if visit.nobody.ask("GET", path).no_route]
    if missing:
        raise Fault(f"This release of SciCat has {' and '.join(missing)}: the archiver cannot work with it")
    return _named_release(visit.nobody.ask("GET", "/explorer-json"))


def _named_release(document: Told) -> str:
    """SciCat does not say which release it is; the description of its API differs."""
    body = document.body if document.ok and isinstance(document.body, dict) else {}
    if not body.get("paths"):
        return "all routes are there; which release it is cannot be told, as its API is not described"
    file = body.get("components", {}).get("schemas", {}).get("DataFile", {}).get("properties", {})
    if "/api/v4/origdatablocks/files/count" in body["paths"]:
        return "newer than 5.2.1, by its API"
    return "release 5, like 5.2.1, by its API" if "metadata" in file else "release 4, like 4.28.0, by its API"


# The accounts


@check(
    "the archiver's account logs in",
    needs=(release,),
    mend="SCICAT_USERNAME and SCICAT_PASSWORD (SciCatUsername and SciCatPassword of the deployment). SciCat reads an "
    "account of functionalAccounts.json only when it creates it: later its password is changed in SciCat.",
)
def login(visit: Visit) -> str:
    """By the archiver's client; its groups by SciCat's word."""
    _log_in(visit, visit.patient.archiver)
    groups, visit.email = _identity(visit.archiver)
    visit.groups = tuple(groups)
    return _in_groups(visit.patient.archiver, groups)


@check(
    "the account that creates jobs logs in",
    needs=(release,),
    mend="SCICAT_JOBS_USERNAME and SCICAT_JOBS_PASSWORD (SciCatJobsUsername and SciCatJobsPassword of the deployment).",
    concerns=_has_two_accounts,
)
def jobs_login(visit: Visit) -> str:
    """Where there is one."""
    creator = visit.patient.creator or visit.patient.archiver
    _log_in(visit, creator)
    return _in_groups(creator, _identity(visit.creator)[0])


def _log_in(visit: Visit, account: Login) -> None:
    """By the archiver's client, as this account alone."""
    try:
        Catalogue(visit.patient.url, lambda: (account.username, account.password)).ping()
    except ServiceUnavailable as error:
        if error.reason.code is Code.SCICAT_LOGIN:
            raise Fault(f"SciCat refuses the password of {account.username}") from None
        raise


def _identity(account: Direct) -> tuple[list[str], str]:
    told = account.ask("GET", "/api/v3/auth/whoami")
    if not told.ok:
        raise Fault(f"{told} when asked who we are")
    return list(told.body.get("currentGroups") or ()), str(told.body.get("email") or "archiver@example.org")


def _in_groups(account: Login, groups: list[str]) -> str:
    if not groups:
        raise Fault(f"{account.username} is in no group", "Give the account its groups: docs/scicat/README.md.")
    if "admin" in groups:
        raise Doubt(
            f"{account.username} ({', '.join(groups)}) may do anything",
            "The archiver needs no administrator's rights: docs/scicat/README.md.",
        )
    return f"{account.username} ({', '.join(groups)})"


# The dataset


@check(
    "a dataset is created with a pid of ours",
    needs=(login,),
    mend="SciCat: CREATE_DATASET_PRIVILEGED_GROUPS must name a group of {archiver}, who creates datasets for others.",
)
def pid(visit: Visit) -> str:
    """For a group that the account is not in, which is what dropped datasets need."""
    pid = visit.new_pid()
    try:
        visit.register(pid, visit.patient.owner_group)
    except ServiceRefused as refused:
        if "PID is not" not in refused.reason.message:
            raise
        raise Fault(
            f"SciCat does not take {pid}: PID is not following required standards",
            "PID_PREFIX (PidPrefix of the deployment) and DATASET_CREATION_VALIDATION_REGEX of SciCat must agree, or "
            "DATASET_CREATION_VALIDATION_ENABLED be false.",
        ) from None
    visit.pid = pid
    return f"{pid}, owned by {visit.patient.owner_group}"


@check(
    "the dataset is read",
    needs=(login,),
    mend="SciCat: UPDATE_DATASET_LIFECYCLE_GROUPS must name a group of {archiver}, which lets it read every dataset.",
)
def dataset(visit: Visit) -> str:
    """One without a pid of ours, where that was refused: the rest shall be tried all the same."""
    if not visit.pid:
        try:
            visit.pid = visit.another_dataset(visit.patient.owner_group)
        except ServiceRefused:
            raise Untried("there is no dataset to read") from None
    found = visit.catalogue.need_dataset(visit.pid)
    if found.owner_group != visit.patient.owner_group:
        raise Fault(f"SciCat says that it is owned by {found.owner_group}, not by {visit.patient.owner_group}")
    return f"{visit.pid}"


@check(
    "files are listed (origdatablocks)",
    needs=(dataset,),
    mend="SciCat: CREATE_DATASET_PRIVILEGED_GROUPS must name a group of {archiver}.",
)
def files(visit: Visit) -> str:
    """In two blocks, of which the second is added to the first."""
    for before, file in enumerate(FILES):
        visit.catalogue.add_origdatablock(visit.pid, [file], "sha256", after=before)
    return f"{len(FILES)} blocks"


@check(
    "the files are read, block by block",
    needs=(files,),
    mend="SciCat: UPDATE_DATASET_LIFECYCLE_GROUPS must name a group of {archiver}, which reads files through datasets.",
)
def read(visit: Visit) -> str:
    """Through the dataset's include, which is all that the account may use."""
    found = visit.catalogue.files_of(visit.pid, tuple)
    paths = sorted(file.path for file in found)
    if paths != sorted(file.path for file in FILES):
        raise Fault(f"SciCat lists {paths or 'no files'}")
    return f"{len(paths)} files in {len(FILES)} blocks"


@check(
    "the lifecycle is written",
    needs=(dataset,),
    mend="SciCat: UPDATE_DATASET_LIFECYCLE_GROUPS must name a group of {archiver}.",
)
def lifecycle(visit: Visit) -> str:
    """And SciCat keeps what was written, and the rest as it was."""
    before = visit.catalogue.need_dataset(visit.pid).lifecycle
    told = {"archiveStatusMessage": "started", "archivable": False, "retrievable": False}
    visit.catalogue.update_lifecycle(visit.pid, **told)
    after = visit.catalogue.need_dataset(visit.pid).lifecycle
    other = [name for name, value in (dict(before) | told).items() if after.get(name) != value]
    if other:
        raise Fault(f"SciCat keeps another {', '.join(other)} than it was told")
    return "started, archivable false; the rest as it was"


# The datablocks


def _datablock(visit: Visit, packed_size: int = 10_240) -> CatalogueDatablock:
    return CatalogueDatablock(f"{visit.pid}/doctor.tar", 6, packed_size, "sha256", "1", FILES)


@check(
    "a datablock is recorded",
    needs=(dataset,),
    mend="SciCat: CREATE_DATASET_PRIVILEGED_GROUPS must name a group of {archiver}.",
)
def datablock(visit: Visit) -> str:
    """Once, however often it is sent; and counted, without which SciCat's page offers no retrieval."""
    first = visit.catalogue.add_datablock(visit.pid, _datablock(visit))
    if visit.catalogue.add_datablock(visit.pid, _datablock(visit)) != first:
        raise Fault("SciCat records the same datablock twice")
    found = visit.catalogue.need_dataset(visit.pid)
    if found.totals.packed_size != 10_240:
        raise Doubt(f"SciCat counts {found.totals.packed_size} archived bytes, and not 10240", "See SciCat's log.")
    return "once, and counted"


@check(
    "another one of the same name is refused",
    needs=(datablock,),
    mend="Nothing may be archived while SciCat takes two datablocks for one: see docs/scicat/README.md.",
)
def archive_id(visit: Visit) -> str:
    """SciCat's archiveId is unique over all datasets."""
    try:
        visit.catalogue.add_datablock(visit.pid, _datablock(visit, packed_size=20_480))
    except ServiceRefused as refused:
        if refused.reason.code is Code.ARCHIVE_ID_CONFLICT:
            return "archiveId is unique"
        raise
    raise Fault("SciCat records two datablocks under one archiveId")


@check(
    "the datablock is removed",
    needs=(datablock,),
    mend="SciCat: DELETE_GROUPS must name a group of {archiver}, unless it must not be able to delete datasets, which "
    "SciCat makes one right with this: docs/scicat/README.md.",
)
def delete_datablock(visit: Visit) -> str:
    """As a run that failed takes back what it registered."""
    for block in visit.catalogue.need_recorded_dataset(visit.pid).datablocks:
        try:
            visit.catalogue.delete_datablock(visit.pid, block.id)
        except ServiceRefused as refused:
            if refused.reason.code is Code.SCICAT_FORBIDDEN:
                raise Doubt(f"An archive that fails would leave its records: {refused.reason.message}") from None
            raise
    if visit.catalogue.need_recorded_dataset(visit.pid).datablocks:
        raise Fault("SciCat still lists it")
    return "none is left"


CHECKS = (
    reachable,
    release,
    login,
    jobs_login,
    pid,
    dataset,
    files,
    read,
    lifecycle,
    datablock,
    archive_id,
    delete_datablock,
)
