"""Serve a SciCat on this machine: ``python -m mocks.scicat --port 3000 --state DIR``."""

from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from mocks.scicat.accounts import default_accounts, read_accounts
from mocks.scicat.app import create_app
from mocks.scicat.configuration import ActionBody, Configuration, ExpiredTokens, UrlAction


def serve(  # noqa: PLR0913, PLR0917 - one parameter per option
    state: Annotated[
        Path, typer.Option(envvar="SCICAT_MOCK_STATE", help="Folder that keeps everything, also over a restart.")
    ],
    port: Annotated[int, typer.Option(envvar="SCICAT_MOCK_PORT", min=1, max=65535, help="Port on 127.0.0.1.")] = 3000,
    accounts: Annotated[
        Path | None,
        typer.Option(
            envvar="SCICAT_MOCK_ACCOUNTS",
            help="File {name: {username, password, groups}}. Without it, admin, archiver, jobcreator, user1 and user2 "
            "with random passwords, written to STATE/accounts.json.",
        ),
    ] = None,
    archiver_url: Annotated[
        str,
        typer.Option(
            envvar="SCICAT_MOCK_ARCHIVER_URL",
            help="API that is told of every new job: POST ARCHIVER_URL/archiver/jobs. Empty: nobody is.",
        ),
    ] = "",
    archiver_username: Annotated[
        str, typer.Option(envvar="SCICAT_MOCK_ARCHIVER_USERNAME", help="Basic credentials for that API.")
    ] = "",
    archiver_password: Annotated[
        str, typer.Option(envvar="SCICAT_MOCK_ARCHIVER_PASSWORD", help="Basic credentials for that API.")
    ] = "",
    archiver_body: Annotated[
        ActionBody,
        typer.Option(
            envvar="SCICAT_MOCK_ARCHIVER_BODY", help="What it is sent: the job's id and type, or the whole job."
        ),
    ] = ActionBody.REFERENCE,
    pid_prefix: Annotated[
        str, typer.Option(envvar="SCICAT_MOCK_PID_PREFIX", help="Prefix of the pids this SciCat gives.")
    ] = "20.500.11935",
    token_seconds: Annotated[
        int, typer.Option(envvar="SCICAT_MOCK_TOKEN_SECONDS", min=0, help="Lifetime of a login.")
    ] = 3600,
    expired_tokens: Annotated[
        ExpiredTokens,
        typer.Option(
            envvar="SCICAT_MOCK_EXPIRED_TOKENS",
            help="Expired tokens: rejected with 401 (release 5), or taken for anonymous (release 4.9.1).",
        ),
    ] = ExpiredTokens.REJECT,
) -> None:
    """Serve a SciCat catalogue on 127.0.0.1, with a page to look at under /explorer.

    Tests break it: POST /__faults takes a list such as
    [{"match": "^POST .*/datablocks", "nth": 1, "drop": "after_commit"}], GET /__faults shows it, an empty
    list ends it. mocks/faults.py says what a fault can be.
    """
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = Configuration(
        pid_prefix=pid_prefix,
        token_seconds=token_seconds,
        expired_tokens=expired_tokens,
        url_action=UrlAction(archiver_url, archiver_username, archiver_password, archiver_body),
    )
    try:
        known = read_accounts(accounts) if accounts else default_accounts(state / "accounts.json")
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
    uvicorn.run(create_app(state, known, configuration), host="127.0.0.1", port=port, log_level="info", ws="none")


if __name__ == "__main__":
    typer.run(serve)
