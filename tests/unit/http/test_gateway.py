"""What API Gateway answers by itself is what both clients survive; the template is read as a file."""

import json
from typing import Any

import pytest

from tests.support.template import TEMPLATE, resources_of

(GATEWAY,) = resources_of("AWS::Serverless::Api").values()
RESPONSES: dict[str, Any] = GATEWAY["GatewayResponses"]


def body(response: dict[str, Any]) -> dict[str, Any]:
    """The body of a response, with what API Gateway puts into it."""
    (template,) = response["ResponseTemplates"].values()
    message = json.dumps('any "message"')
    filled = template.replace("$context.error.responseType", "ANY_TYPE").replace(
        "$context.error.messageString", message
    )
    assert "$" not in filled
    answer: dict[str, Any] = json.loads(filled)
    return answer


@pytest.mark.parametrize("kind", RESPONSES)
def test_the_ingestor_sees_every_refusal_of_api_gateway_as_one(kind: str) -> None:
    response = RESPONSES[kind]

    assert response["StatusCode"] in {422, 500}
    assert set(response["ResponseTemplates"]) == {"application/json"}
    answer = body(response)
    assert {name: answer[name] for name in ("code", "message")} == {"code": "ANY_TYPE", "message": 'any "message"'}
    assert answer["details"]
    assert ("detail" in answer) == (response["StatusCode"] == 422)


def test_every_kind_of_refusal_is_covered() -> None:
    # A fallback's status and template count for all of its kind that have none of their own.
    assert (RESPONSES["DEFAULT_4XX"]["StatusCode"], RESPONSES["DEFAULT_5XX"]["StatusCode"]) == (422, 500)


def test_b39_whoever_is_throttled_by_api_gateway_is_told_when_to_come_back() -> None:
    (settings,) = GATEWAY["MethodSettings"]

    assert (settings["HttpMethod"], settings["ResourcePath"]) == ("*", "/*")
    assert {settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]} == {"RequestsPerSecond"}
    assert TEMPLATE["Parameters"]["RequestsPerSecond"]["Default"] == 100
    assert RESPONSES["THROTTLED"]["ResponseParameters"]["Headers"] == {"Retry-After": "'1'"}
    # The Ingestor would take 429 for a success, and the status stands for every route.
    assert RESPONSES["THROTTLED"]["StatusCode"] == 500
