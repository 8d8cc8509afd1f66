"""Calls over a Unix socket of mode 0600: one frame there, one frame back; a length of 4 bytes, then the message.

Both ends look whose process the other one is: nothing is said to, and nothing taken from, another user's.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from careledger.domain import errors
from careledger.domain.errors import CareLedgerError, MalformedBytes, StoreUnavailable
from careledger.formats import cbor
from careledger.formats.custody import Call, Refusal, Reply

MOST_FRAME = cbor.MOST_BYTES
CREDENTIALS = struct.Struct("3i")
"""Process, user and group of who is behind a Unix socket (unix(7), SO_PEERCRED)."""
Answer = Callable[[str, bytes], bytes]


def is_ours(line: Any) -> bool:
    """Whether who is at the other end of a socket is this process's own user; where the system does not say it, the
    socket's mode has to do."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    said = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    return bool(CREDENTIALS.unpack(said)[1] == os.geteuid())


class CallServer:
    """Answers calls on a socket, each connection in a thread of its own, until it is closed."""

    def __init__(self, path: Path, answer: Answer) -> None:
        """Binds and listens; a socket file that a dead process left is replaced."""
        path.unlink(missing_ok=True)
        self._path, self._answer = path, answer
        self._lock, self._open, self._closed = threading.Lock(), set[socket.socket](), False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        old = os.umask(0o177)
        try:
            self._socket.bind(str(path))
        finally:
            os.umask(old)
        self._socket.listen(64)

    def start(self) -> None:
        """Serves in the background."""
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        """Serves until ``close``."""
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Takes no more connections and ends those that are there: what is under way is not answered any more."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits in accept
        self._socket.close()
        self._path.unlink(missing_ok=True)
        with self._lock:
            self._closed = True
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _talk(self, connection: socket.socket) -> None:
        with connection, self._counted(connection) as mine:
            try:
                while mine and (frame := receive(connection)) is not None:
                    send(connection, reply_to(self._answer, frame))
            except (OSError, CareLedgerError):
                return  # the other side is gone or talks nonsense; it will call again

    @contextlib.contextmanager
    def _counted(self, connection: socket.socket) -> Iterator[bool]:
        """Among those that ``close`` ends; whether it is to be answered."""
        with self._lock:
            self._open.add(connection)
            mine = not self._closed and is_ours(connection)
        try:
            yield mine
        finally:
            with self._lock:
                self._open.remove(connection)


def reply_to(answer: Answer, frame: bytes) -> bytes:
    """The frame that answers a call's frame; what is no refusal is a bug, of which no detail leaves."""
    try:
        call = Call.decode(frame)
        return Reply(answer(call.method, call.body), None).encode()
    except CareLedgerError as refusal:
        return Reply(None, refusal_of(refusal)).encode()
    except Exception:
        return Reply(None, refusal_of(StoreUnavailable())).encode()


def body_in(frame: bytes, method: str) -> bytes:
    """The answer in a reply's frame; raises what was raised there, StoreUnavailable for what is no reply."""
    try:
        reply = Reply.decode(frame)
    except MalformedBytes:
        raise StoreUnavailable(method=method) from None
    if reply.refusal is not None:
        raise error_of(reply.refusal)
    if reply.body is None:
        raise StoreUnavailable(method=method)
    return reply.body


def refusal_of(error: CareLedgerError) -> Refusal:
    """The refusal as it goes over the wire."""
    details = list(error.details.items())[:16]
    return Refusal(type(error).__name__, tuple((str(key)[:500], str(value)[:500]) for key, value in details))


def error_of(refusal: Refusal) -> CareLedgerError:
    """The same exception again, its details as text; StoreUnavailable for a name that is not in the tree."""
    kind = getattr(errors, refusal.error, None)
    if not (isinstance(kind, type) and issubclass(kind, CareLedgerError)):
        return StoreUnavailable(error=refusal.error)
    return kind(**{pair[0]: pair[1] for pair in refusal.details if len(pair) == 2})


class CallClient:
    """Calls a server; keeps one connection and makes it again after a failure, or where the server began anew. For one
    thread at a time."""

    def __init__(self, path: Path, seconds: float = 60) -> None:
        self._path, self._seconds = path, seconds
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def call(self, method: str, body: bytes) -> bytes:
        """The answer; raises what was raised there, StoreUnavailable if it cannot be known whether it was done."""
        reply = self.reply(method, body)
        if reply is None:
            raise StoreUnavailable(method=method)
        return body_in(reply, method)

    def reply(self, method: str, body: bytes) -> bytes | None:
        """The answer's frame; None if it cannot be known whether it was done."""
        frame = Call(method, body).encode()
        with self._lock:
            try:
                return self._exchange(frame)
            except (OSError, MalformedBytes):
                self.close()
                return None

    def close(self) -> None:
        """Ends the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, frame: bytes) -> bytes:
        if self._socket is not None and _is_over(self._socket):
            self.close()
        if self._socket is None:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.settimeout(self._seconds)
            made.connect(str(self._path))
            if not is_ours(made):
                made.close()
                raise OSError("another user's")
            self._socket = made
        send(self._socket, frame)
        reply = receive(self._socket)
        if reply is None:
            raise OSError("closed")
        return reply


def _is_over(connection: socket.socket) -> bool:
    """Whether the other side ended a connection on which nothing was asked since."""
    waits = connection.gettimeout()
    connection.setblocking(False)  # a socket with a time to wait would wait for that long
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(waits)


def send(connection: socket.socket, frame: bytes) -> None:
    """One frame; raises MalformedBytes over the bound."""
    if len(frame) > MOST_FRAME:
        raise MalformedBytes(why="frame too large")
    connection.sendall(len(frame).to_bytes(4, "big") + frame)


def receive(connection: socket.socket) -> bytes | None:
    """One frame, or None at the end; raises MalformedBytes over the bound, OSError."""
    head = _exactly(connection, 4)
    if head is None:
        return None
    size = int.from_bytes(head, "big")
    if size > MOST_FRAME:
        raise MalformedBytes(why="frame too large")
    return _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        part = connection.recv(min(size - len(data), 1 << 20))
        if not part:
            return None
        data += part
    return bytes(data)
