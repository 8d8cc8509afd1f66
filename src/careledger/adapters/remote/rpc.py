"""JSON-RPC 2.0 to one node: single questions and ordered arrays, whatever order the answers come in."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from careledger.adapters.remote.http import Endpoint
from careledger.domain.errors import NodeUnavailable

Question = tuple[str, list[Any]]
NOT_ANSWERED = 0
"""The code given to a question of an array that the answer passed over."""
LONGEST_MESSAGE = 120
DEEPEST_ANSWER = 32
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\Z)', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


@dataclass(frozen=True, slots=True)
class RpcError:
    """What a node said instead of a result; the message is cut and printable."""

    code: int
    message: str
    data: bytes | None = None

    @classmethod
    def read(cls, said: Any) -> RpcError:
        """From an answer's ``error``, whatever is in it."""
        if not isinstance(said, dict):
            return cls(NOT_ANSWERED, "malformed error")
        code, message = said.get("code"), said.get("message")
        return cls(
            code if isinstance(code, int) else NOT_ANSWERED,
            _printable(message if isinstance(message, str) else ""),
            _data(said.get("data")),
        )


class JsonRpc:
    """One node. Safe to use from several threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint, self._ids = endpoint, itertools.count(1)
        self.name = endpoint.name

    def close(self) -> None:
        """Closes the connections."""
        self._endpoint.close()

    def ask(self, method: str, *parameters: Any) -> Any:
        """One result; raises NodeUnavailable, also for an error that the node gives."""
        (answer,) = self.array([(method, list(parameters))])
        if isinstance(answer, RpcError):
            raise NodeUnavailable(node=self.name, method=method, code=answer.code, said=answer.message)
        return answer

    def array(self, questions: Sequence[Question]) -> list[Any]:
        """A result or RpcError for each question, in their order; raises NodeUnavailable for anything else."""
        first = [next(self._ids) for _ in questions]
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
            for number, (method, parameters) in zip(first, questions, strict=True)
        ]
        said = self._post(body)
        if isinstance(said, dict) and "error" in said:
            return [RpcError.read(said["error"])] * len(first)
        answers = self._by_number(said)
        return [answers.get(number, RpcError(NOT_ANSWERED, "not answered")) for number in first]

    def _post(self, body: list[dict[str, Any]]) -> Any:
        said = self._endpoint.post(json.dumps(body).encode())
        try:
            if not _too_deep(said):
                return json.loads(said)
        except ValueError:
            pass
        raise NodeUnavailable(node=self.name, why="not JSON")

    def _by_number(self, said: Any) -> dict[int, Any]:
        if not isinstance(said, list) or not all(isinstance(each, dict) for each in said):
            raise NodeUnavailable(node=self.name, why="not an array of answers")
        answers: dict[int, Any] = {}
        for each in said:
            number = each.get("id")
            if not isinstance(number, int) or number in answers or ("result" in each) is ("error" in each):
                raise NodeUnavailable(node=self.name, why="malformed answer")
            answers[number] = each["result"] if "result" in each else RpcError.read(each["error"])
        return answers


def _too_deep(said: bytes) -> bool:
    """Whether brackets nest deeper than any answer does: json would recurse on the machine's own stack."""
    brackets = _STRINGS.sub(b"", said).translate(None, _NO_BRACKETS)
    steps = accumulate(1 if one in b"[{" else -1 for one in brackets)
    return any(depth > DEEPEST_ANSWER for depth in steps)


def _printable(message: str) -> str:
    return "".join(one if one.isascii() and one.isprintable() else "?" for one in message[:LONGEST_MESSAGE])


def _data(said: Any) -> bytes | None:
    if not isinstance(said, str) or not said.startswith("0x"):
        return None
    try:
        return bytes.fromhex(said[2:])
    except ValueError:
        return None
