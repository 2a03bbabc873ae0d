"""The order in which the stack comes up and goes down."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from local import deployment, environments
from local.accounts import Accounts
from local.configuration import Configuration, StageFailed
from local.deployment import Deployed
from local.endpoints import Endpoints
from local.processes import programs
from local.processes.services import Register, Running, Service, healthy, refuse_taken
from local.progress import Progress
from local.sources import Sources

# LocalStack forgets everything when it ends, so what the mocks remember of it goes with it.
_FORGOTTEN_FOLDERS = ("localstack", "lts", "scicat")
_FORGOTTEN_FILES = ("accounts.json", "scicat-accounts.json", "endpoints.json")
_DEPLOYED = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}


@dataclass(frozen=True, slots=True)
class Stack:
    """One local stack, and where its progress is shown."""

    configuration: Configuration
    progress: Progress
    register: Register
    # Whether what the stack holds may go, for this reason.
    may_lose: Callable[[str], bool] = lambda _: False

    @classmethod
    def of(
        cls,
        configuration: Configuration,
        progress: Progress | None = None,
        may_lose: Callable[[str], bool] = lambda _: False,
    ) -> "Stack":
        """The stack that ``configuration`` describes, whether it runs or not."""
        return cls(configuration, progress or Progress(), Register(configuration.state), may_lose)

    def up(self) -> Endpoints:
        """Start whatever does not run, deploy whatever changed. Raises StageFailed."""
        self.configuration.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._check_ports()
        self._environments()
        self._check_whole()
        accounts = self._accounts()
        localstack = self._service(programs.localstack(self.configuration))
        if not self.configuration.lts:
            self._service(programs.lts_mock(self.configuration))
        if not self.configuration.scicat:
            self._service(programs.scicat_mock(self.configuration, accounts))
        self._deploy(localstack, accounts)
        known = {} if self.configuration.scicat else accounts.scicat
        endpoints = Endpoints.of(self.configuration, deployment.outputs(self.configuration), known)
        endpoints.write(self.configuration.endpoints_file)
        return endpoints

    def down(self) -> bool:
        """Stop all that was started and forget what it knew; whether anything ran. Raises StageFailed."""
        services = self.register.all()
        for service in reversed(services):
            with self.progress.stage(service.name) as outcome:
                self.register.stop(service)
                outcome.note("stopped")
        self._forget()
        return bool(services)

    def _check_ports(self) -> None:
        """Before anything is made, asked or stopped: what runs is where it is wanted, and the rest has room."""
        wanted = dict(self.configuration.ports)
        for service in filter(Running.alive, self.register.all()):
            port = wanted.pop(service.name, None)
            if port is None:
                raise StageFailed(f"The stack runs with other settings (a {service.name}): `make down` first")
            if port.number != service.port:
                raise StageFailed(
                    f"The {service.name} of this stack runs on port {service.port}, not on {port.number}: "
                    f"leave {port.variable} as it was, or `make down` first"
                )
            if not healthy(service.port, service.health_path):
                raise StageFailed(f"The {service.name} runs, but does not answer: `make down` first")
        refuse_taken(wanted)

    def _check_whole(self) -> None:
        """Begin anew where the data is lost already, or nobody can go on with it; what ended otherwise starts again."""
        services = self.register.all()
        if not services:
            self.down()
        elif not any(service.name == programs.LOCALSTACK and service.alive() for service in services):
            self._begin_anew("LocalStack has ended, and with it all that lay in the buckets")
        elif deployment.stack_status(self.configuration) not in {None, *_DEPLOYED}:
            self._begin_anew("The last deployment has failed")

    def _begin_anew(self, why: str) -> None:
        """Stop everything and forget it, if that is wanted."""
        if not self.may_lose(f"{why}: all is stopped and starts anew, empty"):
            raise StageFailed(f"{why}. ANEW=1 make up starts anew, empty; until then nothing is touched")
        self.down()

    def _forget(self) -> None:
        for name in _FORGOTTEN_FOLDERS:
            shutil.rmtree(self.configuration.state / name, ignore_errors=True)
        for name in _FORGOTTEN_FILES:
            (self.configuration.state / name).unlink(missing_ok=True)
        deployment.forget(self.configuration)

    def _environments(self) -> None:
        if self.register.all() and not all(map(environments.is_current, environments.NAMES)):
            self._begin_anew("The programs of the stack have changed")
        with self.progress.stage("environments") as outcome:
            made = [name for name in environments.NAMES if environments.make(name, self.configuration)]
            outcome.note(f"made {', '.join(made)}" if made else "up to date")

    def _accounts(self) -> Accounts:
        file = self.configuration.accounts_file
        if not file.is_file():
            Accounts.of().write(file)
        return Accounts.read(file)

    def _service(self, service: Service) -> Running:
        with self.progress.stage(service.name) as outcome:
            running = self.register.find(service.name)
            if running is None:
                running = self.register.start(service)
                outcome.note(f"started on port {service.port}")
            elif running.settings != service.settings:
                raise StageFailed(f"{service.name} runs with other settings: `make down` first")
            else:
                outcome.note(f"runs on port {service.port}")
        return running

    def _deploy(self, localstack: Running, accounts: Accounts) -> None:
        values = deployment.parameters(self.configuration, accounts)
        current = Deployed(localstack.identity, deployment.parameters_fingerprint(values), Sources.read())
        if Deployed.read(self.configuration) == current:
            with self.progress.stage("deployment") as outcome:
                outcome.note("nothing changed")
            return
        with self.progress.stage("sam build") as outcome:
            built = deployment.build(self.configuration, current.sources)
            outcome.note("functions and layer" if built else "nothing changed")
        with self.progress.stage("sam deploy") as outcome:
            deployment.deploy(self.configuration, values)
            current.write(self.configuration)
            outcome.note("buckets, functions, workflows, API")
