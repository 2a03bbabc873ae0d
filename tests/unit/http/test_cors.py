"""Pages that the deployment names may call the API with their scripts; to others nothing is said about it."""

import pytest

from tests.support.archiver_api import Answer, Api, event

PAGE = "https://scicat.example.org"


@pytest.fixture
def named(environment: pytest.MonkeyPatch) -> None:
    """A deployment that names two pages."""
    environment.setenv("CORS_ORIGINS", f"{PAGE}, http://localhost:4200")


def asked_by(api: Api, origin: str, method: str = "GET", path: str = "/health/livez") -> Answer:
    return api.answer(event(method, path, headers={"origin": origin}))


def said(answer: Answer) -> set[str]:
    return {name for name in answer.headers if name.startswith("access-control-")}


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize("origin", [PAGE, "http://localhost:4200"])
@pytest.mark.parametrize(("path", "status"), [("/health/livez", 200), ("/nope", 404), ("/archiver/jobs/any", 401)])
def test_b43_a_page_that_is_named_may_read_every_answer(api: Api, origin: str, path: str, status: int) -> None:
    answer = asked_by(api, origin, path=path)

    assert answer.status == status
    assert (answer.headers["access-control-allow-origin"], answer.headers["vary"]) == (origin, "Origin")
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize(
    "origin", ["https://elsewhere.example.org", f"{PAGE}.elsewhere.example", "null", "*", "", PAGE.upper()]
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_b43_a_page_that_is_not_named_is_told_nothing(api: Api, origin: str, method: str) -> None:
    answer = asked_by(api, origin, method)

    assert not said(answer)
    assert answer.headers["vary"] == "Origin"
    assert answer.status == (200 if method == "GET" else 405)


@pytest.mark.usefixtures("named")
def test_b43_a_browser_that_asks_first_is_told_what_a_page_may_send(api: Api) -> None:
    answer = asked_by(api, PAGE, "OPTIONS", "/archiver/jobs")

    assert (answer.status, answer.body) == (204, "")
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert answer.headers["access-control-allow-headers"] == "Authorization, Content-Type"
    assert answer.headers["access-control-allow-origin"] == PAGE


@pytest.mark.usefixtures("named")
def test_b43_there_is_nothing_to_call_where_there_is_no_route(api: Api) -> None:
    assert asked_by(api, PAGE, "OPTIONS", "/nope").status == 404


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_b43_without_a_word_in_the_deployment_no_page_may_call(api: Api, method: str) -> None:
    answer = asked_by(api, PAGE, method)

    assert not said(answer)
    assert "vary" not in answer.headers
