"""One node's address: requests over kept connections, TLS verified, with time-outs, and errors that tell no secret."""

from __future__ import annotations

import time
from pathlib import Path

import urllib3

from careledger.adapters.remote.addresses import name_of
from careledger.domain.errors import NodeUnavailable

CONNECTING, ANSWERING = 3.0, 20.0
"""Seconds to wait for a connection, and for each piece of an answer."""
WHOLE_ANSWER = 60.0
LARGEST_ANSWER = 64 * 1024 * 1024


class Endpoint:
    """Posts JSON to one address. Its name in errors is the host and port: paths and headers may hold secrets."""

    def __init__(self, url: str, authorization: str | None = None, ca: Path | None = None) -> None:
        """``authorization`` is the header's whole value, ``ca`` a file of certificates trusted instead of the system's.

        Raises SettingsRefused for an address with a password in it or of another scheme than http and https.
        """
        self.name = name_of(url)
        self._url = url
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if authorization is not None:
            self._headers["Authorization"] = authorization
        self._pool = urllib3.PoolManager(
            maxsize=8,
            timeout=urllib3.Timeout(connect=CONNECTING, read=ANSWERING),
            retries=False,
            cert_reqs="CERT_REQUIRED",
            ca_certs=None if ca is None else str(ca),
        )

    def __repr__(self) -> str:
        return f"Endpoint({self.name})"

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    def post(self, body: bytes) -> bytes:
        """The body of the answer; raises NodeUnavailable unless it comes whole, in time, with status 200."""
        try:
            answer = self._pool.request(
                "POST", self._url, body=body, headers=self._headers, preload_content=False, redirect=False
            )
            try:
                said = _read(answer)
            finally:
                answer.release_conn()
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise NodeUnavailable(node=self.name, why=type(error).__name__) from None
        if answer.status != 200:
            raise NodeUnavailable(node=self.name, why=f"HTTP status {answer.status}")
        if said is None:
            raise NodeUnavailable(node=self.name, why="answer too large or too slow")
        return said


def _read(answer: urllib3.BaseHTTPResponse) -> bytes | None:
    """The whole body, or None if it is too large or drips for too long."""
    end, read = time.monotonic() + WHOLE_ANSWER, bytearray()
    while piece := answer.read1(1 << 18):
        read += piece
        if len(read) > LARGEST_ANSWER or time.monotonic() > end:
            answer.close()
            return None
    return bytes(read)
