"""Serve a SciCat on this machine: ``python -m mocks.scicat --release 5.2.1 --port 3000 --state DIR``."""

import os
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from mocks.scicat.accounts import default_accounts, read_accounts
from mocks.scicat.app import create_app
from mocks.scicat.configuration import Configuration
from mocks.scicat.jobs.configuration import SHIPPED, read_job_configuration
from mocks.scicat.releases import MASTER, RELEASES
from mocks.scicat.settings import DEFAULTS, read_variables


def _known_release(name: str) -> str:
    if name not in RELEASES:
        raise typer.BadParameter(f"{name} is none of {', '.join(RELEASES)}")
    return name


def serve(  # noqa: PLR0913, PLR0917 - one parameter per option
    state: Annotated[
        Path, typer.Option(envvar="SCICAT_MOCK_STATE", help="Folder that keeps everything, also over a restart.")
    ],
    port: Annotated[int, typer.Option(envvar="SCICAT_MOCK_PORT", min=1, max=65535, help="Port on 127.0.0.1.")] = 3000,
    release: Annotated[
        str,
        typer.Option(
            envvar="SCICAT_MOCK_RELEASE",
            callback=_known_release,
            help=f"The release to be: {', '.join(RELEASES)}. The first is the unreleased commit 783086a.",
        ),
    ] = MASTER.name,
    accounts: Annotated[
        Path | None,
        typer.Option(
            envvar="SCICAT_MOCK_ACCOUNTS",
            help="File {name: {username, password, groups}}. Without it, admin, archiver, jobcreator, user1 and user2 "
            "with random passwords, written to STATE/accounts.json.",
        ),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            envvar="SCICAT_MOCK_SETTINGS",
            help="File of SciCat's own settings, NAME=value a line: groups, PID_PREFIX, JWT_EXPIRES_IN, and what the "
            "job configuration calls env. Variables of the environment go before it.",
        ),
    ] = None,
    job_config: Annotated[
        Path, typer.Option(envvar="JOB_CONFIGURATION_FILE", help="SciCat's job configuration.")
    ] = SHIPPED,
) -> None:
    """Serve a SciCat catalogue on 127.0.0.1, with a page to look at under /explorer.

    Its settings are SciCat's own variables (CREATE_JOB_PRIVILEGED_GROUPS, PID_PREFIX and so on), given in the
    environment or in a file. With ARCHIVER_URL it performs the url actions of the job configuration.

    Tests break it: POST /__faults takes a list such as
    [{"match": "^POST .*/datablocks", "nth": 1, "drop": "after_commit"}], GET /__faults shows it, an empty
    list ends it. mocks/faults.py says what a fault can be.
    """
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        variables = (read_variables(settings) if settings else {}) | _of_the_environment()
        configuration = Configuration(RELEASES[release], variables, read_job_configuration(job_config))
        known = read_accounts(accounts) if accounts else default_accounts(state / "accounts.json")
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
    uvicorn.run(create_app(state, known, configuration), host="127.0.0.1", port=port, log_level="info", ws="none")


def _of_the_environment() -> dict[str, str]:
    """What SciCat is told there: its settings, and what concerns the archiver it calls."""
    return {name: value for name, value in os.environ.items() if name in DEFAULTS or name.startswith("ARCHIVER_")}


if __name__ == "__main__":
    typer.run(serve)
