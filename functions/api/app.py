"""Answer every route of the HTTP API."""

from archiver.http.app import answer

handler = answer
