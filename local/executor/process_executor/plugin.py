"""The plugin that LocalStack loads for ``LAMBDA_RUNTIME_EXECUTOR=process``.

Written for localstack-core 4.14: ``localstack.services.lambda_.invocation.runtime_executor``.
"""

import os

from localstack.services.lambda_.invocation.execution_environment import (  # type: ignore[import-not-found]
    ExecutionEnvironment,
)
from localstack.services.lambda_.invocation.lambda_models import (  # type: ignore[import-not-found]
    FunctionVersion,
    InvocationResult,
)
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin  # type: ignore[import-not-found]
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor  # type: ignore[import-not-found]

from .patches.concurrency import hold_a_crowd
from .patches.error_names import name_refusals
from .patches.idle_environments import end_the_idle
from .patches.multipart_completion import assemble_once
from .patches.stop_execution import let_a_stop_be_the_end
from .sandbox import Function, Sandbox, Tools


class ProcessExecutor(RuntimeExecutor):  # type: ignore[misc]  # LocalStack is not typed
    """An execution environment that is a process; LocalStack keeps it warm, reuses it and counts it."""

    def __init__(self, id: str, function_version: FunctionVersion) -> None:  # noqa: A002 # LocalStack's name
        super().__init__(id=id, function_version=function_version)
        self._sandbox = Sandbox(id, _function(function_version), Tools.of(os.environ))

    def start(self, env_vars: dict[str, str]) -> None:
        """Start it; the function itself is imported by its first invocation."""
        self._sandbox.start(env_vars)

    def stop(self) -> None:
        """End it, whatever it does."""
        self._sandbox.stop()

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Run the function once."""
        request_id = payload["invoke-id"]
        answer = self._sandbox.invoke(request_id, payload["payload"].encode(), payload["trace-id"])
        return InvocationResult(request_id, answer.payload, is_error=answer.failed, logs=answer.logs)

    def get_logs(self) -> str:
        """What the last invocation printed."""
        return self._sandbox.log.text()

    def get_address(self) -> str:
        """Where the environment is."""
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        """Where the function finds LocalStack."""
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        """LocalStack's own runtime protocol, which is not used here."""
        return ""

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unzip the code and the layers."""
        function_version.config.code.prepare_for_execution()
        for layer in function_version.config.layers:
            layer.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Nothing: a change of settings replaces the version, and the new one has the same unzipped code."""

    @classmethod
    def validate_environment(cls) -> bool:
        """Whether AWS's programs are where they should be."""
        tools = Tools.of(os.environ)
        return tools.emulator.is_file() and tools.python.is_file()


class ProcessExecutorPlugin(RuntimeExecutorPlugin):  # type: ignore[misc]
    """What the entry point names."""

    name = "process"

    def load(self, *_args: object, **_kwargs: object) -> type[ProcessExecutor]:
        """The executor's class."""
        ExecutionEnvironment.get_log_group_name = _log_group_name
        let_a_stop_be_the_end()
        hold_a_crowd()
        end_the_idle()
        assemble_once()
        name_refusals()
        return ProcessExecutor


def _function(version: FunctionVersion) -> Function:
    config = version.config
    return Function(
        name=version.id.function_name,
        handler=config.handler,
        code=config.code.get_unzipped_code_location(),
        layers=tuple(layer.code.get_unzipped_code_location() for layer in config.layers),
        timeout_seconds=config.timeout,
        memory_mb=config.memory_size,
    )


def _log_group_name(environment: ExecutionEnvironment) -> str:
    # LocalStack accepts a function's LoggingConfig, and writes to the default group all the same.
    version = environment.function_version
    configured = version.config.logging_config.get("LogGroup")
    return configured or f"/aws/lambda/{version.id.function_name}"
