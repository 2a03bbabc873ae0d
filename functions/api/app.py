"""Answer every route of the HTTP API."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from archiver.http.app import answer


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return answer(event, context)
