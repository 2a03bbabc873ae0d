"""Start the LTS mock: ``python -m mocks.lts --help``."""

from pathlib import Path
from typing import Annotated

import typer

from mocks.lts.server import LtsServer
from mocks.lts.service import Options
from mocks.lts.tape import Hardware


def _env(name: str) -> str:
    return f"LTS_MOCK_{name}"


def main(  # noqa: PLR0913 # each parameter is one option of the command
    backend: Annotated[str, typer.Option(envvar=_env("BACKEND"), help="URL of the S3 store behind the tape.")],
    state: Annotated[Path, typer.Option(envvar=_env("STATE"), help="Folder of the mock's memory.")],
    *,
    port: Annotated[int, typer.Option(envvar=_env("PORT"), help="Port on 127.0.0.1.")] = 7000,
    bucket: Annotated[str, typer.Option(envvar=_env("BUCKET"), help="The one bucket that is served.")] = "lts",
    access_key_id: Annotated[
        str, typer.Option(envvar=_env("ACCESS_KEY_ID"), help="Of the mock's own requests to the store.")
    ] = Options.access_key_id,
    secret_access_key: Annotated[
        str, typer.Option(envvar=_env("SECRET_ACCESS_KEY"), help="Of the mock's own requests to the store.")
    ] = Options.secret_access_key,
    migration_delay: Annotated[
        float, typer.Option(envvar=_env("MIGRATION_DELAY"), help="Seconds from a write to the tape.", min=0)
    ] = Hardware.migration_delay,
    drives: Annotated[
        int, typer.Option(envvar=_env("DRIVES"), help="How many recalls run at one time.", min=1)
    ] = Hardware.drives,
    recall_delay: Annotated[
        float, typer.Option(envvar=_env("RECALL_DELAY"), help="Seconds a drive needs for a recall.", min=0)
    ] = Hardware.recall_delay,
    expedited: Annotated[
        bool, typer.Option(envvar=_env("EXPEDITED"), help="Whether there is capacity for the tier Expedited.")
    ] = True,
    write_once: Annotated[
        bool, typer.Option(envvar=_env("WRITE_ONCE"), help="Refuse to overwrite and to delete.")
    ] = True,
    replicas: Annotated[
        bool, typer.Option(envvar=_env("REPLICAS"), help="Keep a second copy of what is on tape.")
    ] = True,
) -> None:
    """Tape behaviour in front of an S3 store, for tests and for one machine.

    Tests break it: POST /__faults takes a list such as
    [{"match": "^PUT .*[.]tar", "nth": 1, "drop": "half_way"}], GET /__faults shows it, an empty list ends it.
    mocks/faults.py says what a fault can be, and /__docs what else can happen to a tape.
    """
    hardware = Hardware(migration_delay, drives, recall_delay, expedited)
    options = Options(
        backend=backend,
        state=state,
        bucket=bucket,
        access_key_id=access_key_id,
        secret_access_key=secret_access_key,
        hardware=hardware,
        write_once=write_once,
        replicas=replicas,
    )
    LtsServer(options, port).run()


typer.run(main)
