"""The plain way, as it is done without this service: download all, hash all, GNU tar, upload; nothing is verified."""

import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.harness.stack import RunningStack

_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class PlainWay:
    """Seconds of each stage, one after the other, and how many bytes of disk it needs beside the data."""

    download: float
    hash: float
    tar: float
    upload: float
    disk: int

    @property
    def whole(self) -> float:
        """All stages."""
        return self.download + self.hash + self.tar + self.upload


def measure(stack: RunningStack, bucket: str, prefix: str, name: str) -> PlainWay:
    """Archive what lies under ``prefix`` into the long-term storage as ``name``, the plain way."""
    keys = [found.key for found in stack.bucket(bucket).list(prefix)]
    with tempfile.TemporaryDirectory(prefix="bench-plain-") as scratch:
        folder, tar = Path(scratch) / "files", Path(scratch) / f"{name}.tar"

        def download(key: str) -> None:
            file = folder / key.removeprefix(prefix)
            file.parent.mkdir(parents=True, exist_ok=True)
            stack.s3.download_file(bucket, key, str(file))

        begun = time.monotonic()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(download, keys))
        downloaded = time.monotonic()
        find = subprocess.Popen(("find", ".", "-type", "f", "-print0"), cwd=folder, stdout=subprocess.PIPE)
        subprocess.run(("xargs", "-0", "sha256sum"), cwd=folder, stdin=find.stdout, capture_output=True, check=True)
        find.wait()
        hashed = time.monotonic()
        subprocess.run(("tar", "--create", "--file", tar, "."), cwd=folder, check=True)
        packed = time.monotonic()
        lts = stack.lts
        lts._client.upload_file(str(tar), lts.name, tar.name)  # noqa: SLF001 - a client of the same service
        ended = time.monotonic()
        disk = tar.stat().st_size + sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return PlainWay(downloaded - begun, hashed - downloaded, packed - hashed, ended - packed, disk)
