"""Examine a SciCat: ``python -m local.doctor``, which ``make doctor`` runs."""

import logging
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from local.configuration import StageFailed
from local.doctor.examination import Finding, examine
from local.doctor.listener import listening
from local.doctor.patient import OWNER_GROUP, Given
from local.doctor.report import as_json, healthy, reporting
from local.doctor.visit import PATIENCE_SECONDS, Visit


def doctor(  # noqa: PLR0913, PLR0917 - one parameter per option
    scicat_url: Annotated[
        str, typer.Option(envvar="SCICAT_URL", help="SciCat's backend, without /api/v3; empty: that of a stack.")
    ] = "",
    scicat_username: Annotated[
        str, typer.Option(envvar="SCICAT_USERNAME", help="The archiver's account; its password is SCICAT_PASSWORD.")
    ] = "",
    scicat_jobs_username: Annotated[
        str,
        typer.Option(
            envvar="SCICAT_JOBS_USERNAME",
            help="The account that creates jobs, if it is another one; its password is SCICAT_JOBS_PASSWORD.",
        ),
    ] = "",
    stack: Annotated[
        str,
        typer.Option(
            envvar="STACK", help="A deployed stack, read with your AWS credentials; empty: the local stack that runs."
        ),
    ] = "",
    owner_group: Annotated[
        str,
        typer.Option(
            envvar="OWNER_GROUP",
            help=f"Whose the doctor's dataset is. By default {OWNER_GROUP}, which is nobody's: only so the archiver's "
            "rights are seen, and not those of an owner.",
        ),
    ] = "",
    owner_user: Annotated[
        str, typer.Option(envvar="OWNER_USER", help="A user of OWNER_GROUP whom SciCat knows, on whose behalf it asks.")
    ] = "",
    scicat_group_job_type: Annotated[
        str,
        typer.Option(
            envvar="SCICAT_GROUP_JOB_TYPE",
            help="The type of jobs for a group alone: the stack's, or archive. SciCat 5.2 needs archive_for_group.",
        ),
    ] = "",
    listen: Annotated[
        int,
        typer.Option(
            envvar="LISTEN",
            min=0,
            max=65535,
            help="Listen in the archiver's place, at this port of the loopback interface, where ARCHIVER_URL of SciCat "
            "must lead, and show what SciCat sends.",
        ),
    ] = 0,
    job_api_username: Annotated[
        str,
        typer.Option(
            envvar="JOB_API_USERNAME",
            help="With LISTEN: who SciCat should say it is; JOB_API_PASSWORD is compared, and never shown.",
        ),
    ] = "",
    seconds: Annotated[
        float, typer.Option(envvar="WAIT_SECONDS", min=0, help="How long the archiver may take to end a job.")
    ] = PATIENCE_SECONDS,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")] = False,
) -> None:
    """Walk a real SciCat with the archiver's accounts; say what works, what does not, and what mends it.

    It makes one small dataset, whose pid begins with PID_PREFIX, and one or two jobs. It removes the dataset; jobs
    stay, ended, as SciCat deletes them only for DELETE_JOB_GROUPS. Passwords come from the environment, or are asked
    for. The exit code is 0 only when everything that the archiver needs was seen to work.
    """
    given = Given(
        scicat_url=scicat_url,
        scicat_username=scicat_username,
        scicat_jobs_username=scicat_jobs_username,
        job_api_username=job_api_username,
        stack=stack,
        owner_group=owner_group,
        owner_user=owner_user,
        scicat_group_job_type=scicat_group_job_type,
    )
    # Stopped by its caller, it removes what it made, as after Ctrl-C.
    signal.signal(signal.SIGTERM, _interrupted)
    errors = Console(stderr=True, highlight=False)
    try:
        with ExitStack() as running:
            running.enter_context(_quiet_client())
            patient = given.patient()
            listener = running.enter_context(listening(listen)) if listen else None
            visit = Visit.to(patient, listener, seconds)
            findings = _examined(visit, quiet=json)
    except StageFailed as failed:
        errors.print(f"[red]{escape(str(failed))}[/]", soft_wrap=True)
        raise typer.Exit(2) from None
    except OSError as error:
        errors.print(f"[red]{escape(str(error))}[/]", soft_wrap=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        errors.print("Interrupted: not everything was tried.")
        raise typer.Exit(130) from None
    if json:
        typer.echo(as_json(patient.url, findings))
    raise typer.Exit(0 if healthy(findings) else 1)


def _examined(visit: Visit, *, quiet: bool) -> list[Finding]:
    if quiet:
        return examine(visit, lambda _: None)
    with reporting(Console(highlight=False)) as report:
        findings = examine(visit, report.tell, report.begin)
        report.close(findings)
    return findings


@contextmanager
def _quiet_client() -> Iterator[None]:
    """What the archiver's client logs is in the findings."""
    logger, nowhere = logging.getLogger("archiver"), logging.NullHandler()
    logger.addHandler(nowhere)
    try:
        yield
    finally:
        logger.removeHandler(nowhere)


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def command() -> typer.Typer:
    """The command line."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(doctor)
    return app


if __name__ == "__main__":
    command()()
