"""The S3 store behind the tape: requests and answers pass through as streams, in constant memory."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from urllib.parse import quote

import httpx
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from fastapi import Request

# Of one connection only (RFC 9110, 7.6.1), or negotiated anew by each side.
_HOP_BY_HOP = {
    "connection",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
# The tape keeps the storage class itself: the store behind it must leave the bytes readable.
_KEPT_HERE = {"x-amz-storage-class"}
_CHUNK = 1024**2
_REGION = "us-east-1"


class Backend:
    """An S3 store at ``url``.

    A client's request keeps its own signature, and the Host it was signed for. The mock's own requests
    are signed with ``credentials``.
    """

    def __init__(self, url: str, credentials: Credentials) -> None:
        self._url = httpx.URL(url)
        self._signer = S3SigV4Auth(credentials, "s3", _REGION)
        # No limit on the time of a read: completing a large upload may take the store a while.
        timeout = httpx.Timeout(connect=5, read=600, write=600, pool=None)
        self._client = httpx.AsyncClient(
            timeout=timeout, limits=httpx.Limits(max_connections=None, max_keepalive_connections=32), trust_env=False
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    async def send(self, request: Request, extra_headers: Iterable[tuple[str, str]] = ()) -> httpx.Response:
        """Pass one request on; the answer's body is still to be read, and closed.

        Raises httpx.TransportError when the store does not answer.
        """
        headers = [(name, value) for name, value in request.headers.items() if name not in _HOP_BY_HOP | _KEPT_HERE]
        has_body = request.method in ("POST", "PUT")
        target = request.scope["raw_path"].partition(b"?")[0]
        if request.scope["query_string"]:
            target += b"?" + request.scope["query_string"]
        passed_on = self._client.build_request(
            request.method,
            self._url.copy_with(raw_path=target),
            headers=[*headers, *extra_headers],
            content=request.stream() if has_body else None,
        )
        return await self._client.send(passed_on, stream=True)

    async def exists(self, bucket: str, key: str) -> bool:
        """Whether the store has the object."""
        answer = await self._client.send(self._own("HEAD", bucket, key))
        return answer.is_success

    async def delete(self, bucket: str, key: str) -> None:
        """Delete the object. Raises httpx.HTTPError when the store does not."""
        answer = await self._client.send(self._own("DELETE", bucket, key))
        answer.raise_for_status()

    async def copy_to(self, bucket: str, key: str, path: Path) -> None:
        """Copy the object's bytes into a file. Raises httpx.HTTPError when that fails."""
        unfinished = path.with_suffix(".part")
        answer = await self._client.send(self._own("GET", bucket, key), stream=True)
        async with contextlib.aclosing(answer):
            answer.raise_for_status()
            with unfinished.open("wb") as file:
                async for chunk in answer.aiter_raw(_CHUNK):
                    file.write(chunk)
        unfinished.replace(path)

    def _own(self, method: str, bucket: str, key: str) -> httpx.Request:
        url = self._url.copy_with(raw_path=f"/{bucket}/{quote(key, safe='/~')}".encode())
        signed = AWSRequest(method, str(url), headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
        self._signer.add_auth(signed)
        return self._client.build_request(method, url, headers=dict(signed.headers.items()))


def answer_headers(answer: httpx.Response) -> dict[str, str]:
    """The headers of an answer that concern the client."""
    return {name: value for name, value in answer.headers.items() if name not in _HOP_BY_HOP}


async def chunks(answer: httpx.Response) -> AsyncIterator[bytes]:
    """An answer's body as it arrives."""
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()
