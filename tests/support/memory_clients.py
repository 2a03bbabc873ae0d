"""AWS's clients, made once and answered by an account in memory."""

import os
from collections.abc import Callable
from copy import copy
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.hooks import BaseEventHooks

from tests.support.account import BUCKETS
from tests.support.memory_account import MemoryAccount


def answer_from_memory(environment: pytest.MonkeyPatch) -> None:
    """Let S3 and the secrets of the account be in memory; every other service stays what it is."""
    account = MemoryAccount(BUCKETS)
    call: Callable[..., Any] = vars(BaseClient)["_make_api_call"]
    environment.setattr(boto3, "client", _kept_client)

    def answered(client: BaseClient, operation: str, request: dict[str, Any]) -> Any:
        is_aws = "amazonaws.com" in client.meta.endpoint_url
        match client.meta.service_model.service_name:
            case "s3" if is_aws:
                return _observed(account.answer, client, operation, request)
            case "secretsmanager" if is_aws:
                return account.answer(client, operation, request)
        return call(client, operation, request)

    environment.setattr(BaseClient, "_make_api_call", answered)


_clients: dict[str, tuple[BaseClient, BaseEventHooks]] = {}


def _kept_client(service_name: str, **settings: Any) -> BaseClient:
    """A client like the first one of its kind, without what tests have told that one to tell them.

    Making one takes longer than most tests.
    """
    around = sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_"))
    config = vars(settings.get("config", Config()))["_user_provided_options"]
    kind = repr((service_name, around, settings | {"config": config}))
    if kind not in _clients:
        make: Callable[..., BaseClient] = boto3.session.Session().client
        made = make(service_name, **settings)
        _clients[kind] = (made, copy(made.meta.events))
    first, events = _clients[kind]
    client = object.__new__(type(first))
    vars(client).update(vars(first))
    client.meta = copy(first.meta)
    client.meta.events = copy(events)
    return client


def _observed(
    answer: Callable[[BaseClient, str, dict[str, Any]], Any],
    client: BaseClient,
    operation: str,
    request: dict[str, Any],
) -> Any:
    """The answer, with what botocore lets others see and change before and after: the parameters, and what came."""
    model, context = client.meta.service_model.operation_model(operation), dict[str, Any]()
    events = client.meta.events
    for moment in ("provide-client-params", "before-parameter-build"):
        events.emit(f"{moment}.s3.{operation}", params=request, model=model, context=context)
    parsed = answer(client, operation, request)
    events.emit(f"after-call.s3.{operation}", http_response=None, parsed=parsed, model=model, context=context)
    return parsed
