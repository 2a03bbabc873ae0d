"""Builds the datablocks of a run: plans them, does their slices, and seals them."""

from collections.abc import Callable

from archiver.aws.s3 import Bucket
from archiver.aws.s3_requests import READINGS
from archiver.checksums import FileFingerprint, combine_crc64nvme, crc64nvme, crc64nvme_to_base64
from archiver.errors import Code, ServiceRefused
from archiver.log import logger
from archiver.models.datablocks import SealedDatablock
from archiver.packaging.bodies import AlteredError, Bodies
from archiver.packaging.progress import (
    PLAN,
    Folder,
    OpenUpload,
    SliceOfDatablock,
    SliceProgress,
    fingerprints_document,
    planned_datablocks,
    sealed_document,
    upload_document,
)
from archiver.packaging.slices import DatablockUpload, SliceWorker
from archiver.packaging.sources import Origin, Tar
from archiver.packaging.transfers import Transfers, reserve_memory
from archiver.tar.format import own_members
from archiver.tar.layout import Layout, Limits, PlannedDatablock, layout_of, plan


class Packager:
    """Builds the datablocks of one run. Every method may be called again, also after a crash.

    ``key_of`` gives the staging key of the datablock with a number.
    """

    def __init__(
        self, folder: Folder, source: Origin, staging: Bucket, key_of: Callable[[int], str], limits: Limits
    ) -> None:
        self._folder = folder
        self._source = source
        self._staging = staging
        self._key_of = key_of
        self._limits = limits
        self._tar: tuple[int, Tar] | None = None

    def plan(self) -> list[PlannedDatablock]:
        """Plan the datablocks and begin their uploads, once, before the work is shared out.

        Raises DatasetRejected(FILE_TOO_LARGE).
        """
        planned = self._folder.load(PLAN)
        if planned is None:
            planned = list(plan(self._folder.files(), self._limits))
            self._folder.save(PLAN, planned)
        for datablock in planned:
            upload = upload_document(datablock.number)
            if self._folder.load(upload) is None:
                self._folder.save(upload, OpenUpload(self._staging.create_upload(self._key_of(datablock.number))))
        return planned

    def slices(self) -> list[SliceOfDatablock]:
        """The pieces of work, in order. They may be done in any order and beside each other."""
        return [
            SliceOfDatablock(planned.number, piece)
            for planned in planned_datablocks(self._folder)
            for piece in range(planned.slices)
        ]

    def package(self, work: SliceOfDatablock, deadline: float) -> bool:
        """Do a slice, or as much of it as can be done until ``deadline`` (of ``time.monotonic``).

        Returns whether it is finished; if not, call again. A slice with bytes that were altered on their way is done
        anew, twice. Raises DatasetRejected with CHECKSUM_MISMATCH (naming file, expected, actual),
        CHANGED_AFTER_VALIDATE, or BAD_CHECKSUM_ALGORITHM for a file too long for a hash that cannot be saved half
        way; and ServiceRefused(TRANSPORT_CORRUPTION).
        """
        name = self._open_upload(work.datablock).slice_document(work.datablock, work.slice)
        progress = self._folder.load(name)
        if progress is not None and progress.done:
            return True
        reserve_memory(self._limits)
        tar = self._tar_of(work.datablock)
        piece = list(tar.layout.slices())[work.slice]
        upload = self._upload(work.datablock)
        progress = progress or SliceProgress(position=piece.parts[0].start)
        try:
            with Transfers() as transfers:
                worker = SliceWorker(tar, piece, upload, transfers, progress)
                return worker.run(deadline, lambda reached: self._folder.save(name, reached))
        except AlteredError as altered:
            if progress.altered + 1 == READINGS:
                raise altered.told from None
            logger.warning("bytes were altered on their way and are read again", extra={"told": str(altered)})
            self._folder.save(name, SliceProgress(piece.parts[0].start, altered=progress.altered + 1))
        return self.package(work, deadline)

    def complete(self, number: int, deadline: float) -> bool:
        """Seal a datablock; one whose bytes S3 refuses is packaged once more, from the start, in a new upload.

        False when ``deadline`` (of ``time.monotonic``) came first: call again. Raises as ``package`` and ``seal``.
        """
        upload = self._open_upload(number)
        pieces = planned_datablocks(self._folder)[number - 1].slices if upload.again else 0
        if not all(self.package(SliceOfDatablock(number, piece), deadline) for piece in range(pieces)):
            return False
        try:
            self.seal(number)
        except ServiceRefused as refused:
            if upload.again or refused.reason.code is not Code.PACK_DIGEST:
                raise
            self._begin_again(number, upload)
            return self.complete(number, deadline)
        return True

    def seal(self, number: int) -> SealedDatablock:
        """Send the last part and complete the upload, with the CRC64NVME that the files' own CRCs predict.

        Raises as ``package`` does, LookupError when a slice is not finished, and ServiceRefused(PACK_DIGEST)
        when S3 does not have exactly the predicted bytes.
        """
        name = sealed_document(number)
        sealed = self._folder.load(name)
        if sealed is not None and self._is_there(sealed):
            return sealed
        tar = self._tar_of(number)
        layout = tar.layout
        fingerprints = self._packaged(number, layout)
        members, last_fingerprints = _last_members(tar)
        fingerprints += last_fingerprints
        end = own_members(self._source.label(number), layout.files, fingerprints)
        sealed = SealedDatablock(
            number=number,
            key=self._key_of(number),
            files=layout.with_bytes,
            size=layout.size,
            packed_size=layout.packed_size,
            crc64nvme=crc64nvme_to_base64(_predicted_crc(layout, fingerprints, end)),
            read_twice=sum(fingerprint.read_twice for fingerprint in fingerprints),
        )
        if not self._is_there(sealed):
            self._upload(number).complete(layout, members + end, sealed.crc64nvme)
        self._folder.save(fingerprints_document(number), fingerprints)
        self._folder.save(name, sealed)
        return sealed

    def _tar_of(self, number: int) -> Tar:
        """A datablock's tar; the last one is kept, for the next slice is often of the same."""
        if self._tar is None or self._tar[0] != number:
            planned = planned_datablocks(self._folder)[number - 1]
            files = self._folder.files(planned.first, planned.entries)
            layout = layout_of(files, self._limits, planned.folders)
            if layout.planned(number, planned.first) != planned:
                raise ValueError(f"datablock {number} was planned with other limits")
            self._tar = (number, Tar(layout, self._source))
        return self._tar[1]

    def _begin_again(self, number: int, refused: OpenUpload) -> None:
        key = self._key_of(number)
        self._folder.save(upload_document(number), OpenUpload(self._staging.create_upload(key), again=True))
        self._staging.abort_upload(key, refused.upload_id)

    def _open_upload(self, number: int) -> OpenUpload:
        return self._folder.need(upload_document(number))

    def _upload(self, number: int) -> DatablockUpload:
        return DatablockUpload(self._staging, self._key_of(number), self._open_upload(number).upload_id)

    def _is_there(self, sealed: SealedDatablock) -> bool:
        head = self._staging.head(sealed.key)
        return head is not None and (head.size, head.crc64nvme) == (sealed.packed_size, sealed.crc64nvme)

    def _packaged(self, number: int, layout: Layout) -> list[FileFingerprint]:
        """The fingerprints of the files before the last part."""
        fingerprints: list[FileFingerprint] = []
        upload = self._open_upload(number)
        for piece in layout.slices():
            progress = self._folder.need(upload.slice_document(number, piece.number))
            if not progress.done:
                raise LookupError(f"slice {piece.number} of datablock {number} is not finished")
            fingerprints += progress.fingerprints
        return fingerprints


def _last_members(tar: Tar, readings: int = READINGS) -> tuple[bytes, list[FileFingerprint]]:
    """The members that lie in the last part, with the fingerprints of their files."""
    start, end = tar.layout.tail, tar.layout.end
    try:
        with Transfers() as transfers:
            bodies = Bodies(tar, transfers, tar.layout.extents(start, end))
            return bodies.glue(start, end), bodies.fingerprints
    except AlteredError as altered:
        if readings == 1:
            raise altered.told from None
    return _last_members(tar, readings - 1)


def _predicted_crc(layout: Layout, fingerprints: list[FileFingerprint], end: bytes) -> int:
    """The CRC64NVME of the whole tar, from what was read of its files; what S3 says of its parts is not asked."""
    read = iter(fingerprints)
    crc = 0
    for piece in layout.pieces(0, layout.end):
        if isinstance(piece, bytes):
            crc = crc64nvme(piece, crc)
        else:
            file = next(read)
            crc = combine_crc64nvme(crc, file.crc64nvme, file.size)
    return crc64nvme(end, crc)
