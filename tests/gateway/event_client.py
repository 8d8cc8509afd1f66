"""A client of event streams: its own reader of server-sent events, as the specification has them."""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

MOST_WAIT = 20.0


@dataclass(frozen=True)
class Told:
    """One event as it was dispatched."""

    id: str
    kind: str
    data: dict[str, Any]


class Stream:
    """An open stream; what comes is read by a thread of its own until it is closed from either side."""

    def __init__(self, url: str, token: str, **headers: str) -> None:
        where = urlsplit(url)
        assert where.hostname
        sent = {"Host": where.netloc, "Accept": "text/event-stream", "Authorization": f"Bearer {token}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"GET {where.path or '/'}{'?' + where.query if where.query else ''} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in sent.items()]
        self._socket = socket.create_connection((where.hostname, where.port or 80))
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        self._file = self._socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        self.headers: dict[str, str] = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            self.headers[name.lower()] = value.strip()
        self.lines: list[str] = []
        self._told: queue.Queue[Told | None] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def next(self, wait: float = MOST_WAIT) -> Told | None:
        """The next event, None once the stream is over; raises queue.Empty."""
        return self._told.get(timeout=wait)

    def nothing(self, wait: float = 1.0) -> bool:
        """Whether no event comes for a while."""
        try:
            self._told.get(timeout=wait)
        except queue.Empty:
            return True
        return False

    def ended(self, wait: float = MOST_WAIT) -> bool:
        """Whether the server ends it within that time; what comes before is passed over."""
        until = time.monotonic() + wait
        while time.monotonic() < until:
            try:
                if self._told.get(timeout=0.1) is None:
                    return True
            except queue.Empty:
                continue
        return False

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            for line in self._chunks():
                self.lines.append(line)
                name, colon, value = line.partition(":")
                if line and name:
                    fields[name] = value.removeprefix(" ") if colon else ""
                elif not line and "data" in fields:
                    data = json.loads(fields["data"])
                    self._told.put(Told(fields.get("id", ""), fields.get("event", "message"), data))
                if not line:
                    fields = {}
        except (OSError, ValueError):
            pass
        self._told.put(None)

    def _chunks(self) -> Any:
        """The lines within the chunks of the body."""
        left = b""
        while size := int(self._file.readline() or b"0", 16):
            left += self._file.read(size)
            self._file.readline()
            *whole, left = left.split(b"\n")
            yield from (each.decode() for each in whole)
