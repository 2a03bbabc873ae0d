"""A multipart upload is assembled once, whoever asks again is told of the same object: as S3 does.

A client asks again when the assembling of a large object takes longer than it waits. LocalStack would then empty the
object, and assemble it from parts that the first request is taking away.

Written for localstack-core 4.14: ``localstack.services.s3.storage.ephemeral``.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from localstack.services.s3.models import S3Multipart, S3Part  # type: ignore[import-not-found]
from localstack.services.s3.storage.ephemeral import EphemeralS3StoredMultipart  # type: ignore[import-not-found]


@dataclass(slots=True)
class _Assembly:
    lock: threading.Lock = field(default_factory=threading.Lock)
    done: bool = False


_assemble = EphemeralS3StoredMultipart.complete_multipart
_assemblies: WeakKeyDictionary[S3Multipart, _Assembly] = WeakKeyDictionary()
_assemblies_lock = threading.Lock()


def assemble_once() -> None:
    """Let a second request to complete an upload wait for the first, and change nothing."""
    EphemeralS3StoredMultipart.complete_multipart = _assemble_once


def _assemble_once(stored: EphemeralS3StoredMultipart, parts: Sequence[S3Part]) -> None:
    with _assemblies_lock:
        assembly = _assemblies.setdefault(stored.s3_multipart, _Assembly())
    with assembly.lock:
        if not assembly.done:
            _assemble(stored, parts)
            assembly.done = True
