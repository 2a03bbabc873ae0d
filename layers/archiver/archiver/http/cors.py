"""Which web pages may call the API with their scripts (https://fetch.spec.whatwg.org/#http-cors-protocol).

Only pages that the deployment names, each by its own name: never all of them. Credentials of the browser
are not allowed, because every caller says who it is with a header.
"""

from collections.abc import Mapping, Sequence

from archiver.settings import settings

_SECONDS = 3600


def headers(origin: str | None) -> Mapping[str, str]:
    """What an answer says to the page of that origin; caches are told that it depends on who asks."""
    if not settings().cors_origins:
        return {}
    if not allows(origin):
        return {"Vary": "Origin"}
    return {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": origin or "",
        "Access-Control-Expose-Headers": "Retry-After",
    }


def allows(origin: str | None) -> bool:
    """Whether the pages of that origin may call."""
    return origin in settings().cors_origins


def preflight(methods: Sequence[str]) -> dict[str, str]:
    """What a browser must know before it lets a page call a route that has these methods."""
    return {
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Allow-Headers": "Authorization, Content-Type",
        "Access-Control-Max-Age": str(_SECONDS),
    }
