"""SciCat's database, in one SQLite file: documents by kind and id, written atomically."""

import sqlite3
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

# One JSON document, as MongoDB holds it.
Document = dict[str, Any]

_TABLES = """
CREATE TABLE IF NOT EXISTS document (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL, id TEXT NOT NULL, dataset TEXT NOT NULL, archive_id TEXT, body BLOB NOT NULL,
  UNIQUE (kind, id), UNIQUE (archive_id)
);
CREATE INDEX IF NOT EXISTS by_dataset ON document (kind, dataset);
CREATE TABLE IF NOT EXISTS secret (value TEXT NOT NULL);
"""


class Kind(StrEnum):
    """The collections."""

    DATASET = "dataset"
    ORIGDATABLOCK = "origdatablock"
    DATABLOCK = "datablock"
    ATTACHMENT = "attachment"
    JOB = "job"
    HISTORY = "history"


class DuplicateKeyError(Exception):
    """A document with this id, or this ``archiveId``, exists."""


class Store:
    """All documents, in the order in which they were created."""

    def __init__(self, path: Path) -> None:
        """Open or create the database at ``path``."""
        # Only the server's event loop uses it, which may be another thread than the one that opened it.
        self._database = sqlite3.connect(path, check_same_thread=False, autocommit=True)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_TABLES)

    def close(self) -> None:
        """Write everything into the one file and let go of it."""
        self._database.close()

    def secret(self, fresh: str) -> str:
        """The secret that signs tokens: ``fresh`` the first time, the same ever after."""
        self._database.execute("INSERT INTO secret SELECT ? WHERE NOT EXISTS (SELECT 1 FROM secret)", (fresh,))
        return str(self._database.execute("SELECT value FROM secret").fetchone()[0])

    def add(self, kind: Kind, document: Document) -> None:
        """Keep a new document. Raises DuplicateKeyError."""
        row = (kind, document["_id"], document.get("datasetId", ""), document.get("archiveId"), orjson.dumps(document))
        try:
            self._database.execute(
                "INSERT INTO document (kind, id, dataset, archive_id, body) VALUES (?, ?, ?, ?, ?)", row
            )
        except sqlite3.IntegrityError:
            raise DuplicateKeyError(document["_id"]) from None

    def replace(self, kind: Kind, document: Document) -> None:
        """Keep a changed document."""
        row = (orjson.dumps(document), document.get("archiveId"), kind, document["_id"])
        self._database.execute("UPDATE document SET body = ?, archive_id = ? WHERE kind = ? AND id = ?", row)

    def remove(self, kind: Kind, document_id: str) -> None:
        """Forget a document."""
        self._database.execute("DELETE FROM document WHERE kind = ? AND id = ?", (kind, document_id))

    def get(self, kind: Kind, document_id: str) -> Document | None:
        """The document with that id."""
        return next(iter(self._bodies("kind = ? AND id = ?", kind, document_id)), None)

    def of_dataset(self, kind: Kind, pid: str) -> list[Document]:
        """The blocks of one dataset."""
        return self._bodies("kind = ? AND dataset = ?", kind, pid)

    def all(self, kind: Kind) -> list[Document]:
        """Every document of a kind."""
        return self._bodies("kind = ?", kind)

    def _bodies(self, where: str, *values: str) -> list[Document]:
        # `where` is one of the three constants above, never a caller's text.
        rows = self._database.execute(f"SELECT body FROM document WHERE {where} ORDER BY number", values)  # noqa: S608
        return [orjson.loads(body) for (body,) in rows]
