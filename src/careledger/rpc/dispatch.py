"""From the bytes of a request to the bytes of its answer: JSON-RPC 2.0, single or as an array, as Besu reads it.

An array is answered in its order. Transactions that follow one another in it are sent together and share a block.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import groupby
from typing import Any, NoReturn

from careledger.domain.errors import CareLedgerError, RpcRefused
from careledger.formats.json_nesting import nesting
from careledger.rpc.methods import KEYLESS, METHODS
from careledger.rpc.node import Node
from careledger.rpc.refusals import Refusal, error_of, refused
from careledger.rpc.sending import SEND

MOST_REQUESTS = 1_024  # in one array, as on Besu
MOST_DEPTH = 16
MOST_ANSWERED = 64 * 2**20  # bytes of an array's answers, after which nothing more of it is looked up
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """HTTP status and body; no body where nothing was asked for."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class _Request:
    """One request, or the refusal of what should have been one; a notification has no ``id``."""

    id: Any
    method: str = ""
    params: Sequence[Any] = ()
    notification: bool = False
    refusal: RpcRefused | None = None


def answer(node: Node, body: bytes) -> Answer:
    """Answers a request; never raises."""
    try:
        said = _parse(body)
        if isinstance(said, list):
            return _answer_array(node, said)
    except RpcRefused as error:
        return _refusal(error)
    request = _read(said)
    if request.refusal is not None:
        return _refusal(request.refusal, request.id)
    return Answer(HTTPStatus.OK, b"".join(_answers(node, [request])))


def _answer_array(node: Node, said: list[Any]) -> Answer:
    if not said:
        raise refused(Refusal.REQUEST, "an empty array")
    if len(said) > MOST_REQUESTS:
        return _refusal(refused(Refusal.BATCH, f"at most {MOST_REQUESTS:,}"))
    answered = list(_answers(node, [_read(each) for each in said]))
    return Answer(HTTPStatus.OK, b"[" + b",".join(answered) + b"]" if answered else b"")


def _refusal(error: RpcRefused, identifier: Any = None) -> Answer:
    bad = error.details["code"] in (Refusal.PARSE.value[0], Refusal.REQUEST.value[0])
    return Answer(HTTPStatus.BAD_REQUEST if bad else HTTPStatus.OK, _bytes(_error(error, identifier)))


def _parse(body: bytes) -> Any:
    try:
        text = body.decode("utf-8")
        if nesting(body) > MOST_DEPTH:
            raise refused(Refusal.PARSE, f"nested more than {MOST_DEPTH} deep")
        return json.loads(text, parse_constant=_no_constant)
    except ValueError:
        raise refused(Refusal.PARSE) from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _read(said: Any) -> _Request:
    """Version, method and parameters by position; raises nothing: a refusal is part of the request."""
    if not isinstance(said, dict):
        return _Request(None, refusal=refused(Refusal.REQUEST, "not an object"))
    identifier = said.get("id")
    if not _is_id(identifier):
        return _Request(None, refusal=refused(Refusal.REQUEST, "id is not a string, a number or null"))
    method, params = said.get("method"), said.get("params", [])
    if said.get("jsonrpc") != "2.0" or not isinstance(method, str):
        why = 'jsonrpc has to be "2.0" and method a string'
        return _Request(identifier, refusal=refused(Refusal.REQUEST, why))
    if params is not None and not isinstance(params, list):
        return _Request(identifier, refusal=refused(Refusal.PARAMS, "params has to be an array"))
    return _Request(identifier, method, params or [], "id" not in said)


def _is_id(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or (isinstance(value, str | int) and not isinstance(value, bool))


def _answers(node: Node, requests: Sequence[_Request]) -> Iterator[bytes]:
    """Answers in order, none for notifications, which are not carried out either."""
    size = 0
    for sends, group in groupby((each for each in requests if not each.notification), _is_send):
        single = (_answer_one(node, each) if size <= MOST_ANSWERED else _too_much(each) for each in group)
        for each in _answer_sends(node, list(group)) if sends else single:
            yield (encoded := _bytes(each))
            size += len(encoded)


def _too_much(request: _Request) -> dict[str, Any]:
    return _error(refused(Refusal.SIZE, f"at most {MOST_ANSWERED:,} bytes"), request.id)


def _is_send(request: _Request) -> bool:
    return request.method == SEND.name and request.refusal is None


def _answer_sends(node: Node, requests: Sequence[_Request]) -> Iterator[dict[str, Any]]:
    raws = [_raw(request) for request in requests]
    sent = iter(_sent(node, [raw for raw in raws if isinstance(raw, bytes)]))
    for request, raw in zip(requests, raws, strict=True):
        outcome = next(sent) if isinstance(raw, bytes) else raw
        if isinstance(outcome, RpcRefused):
            yield _error(outcome, request.id)
        else:
            yield _result(outcome, request.id)


def _raw(request: _Request) -> bytes | RpcRefused:
    try:
        (raw,) = SEND.read(request.params)
    except RpcRefused as error:
        return error
    return bytes(raw)


def _sent(node: Node, raws: Sequence[bytes]) -> Sequence[str | RpcRefused]:
    try:
        sent: list[str | RpcRefused] = SEND.run(node, raws) if raws else []
        return sent
    except Exception as error:
        failure = _failed(SEND.name, error)
        return [failure for _ in raws]


def _answer_one(node: Node, request: _Request) -> dict[str, Any]:
    try:
        if request.refusal is not None:
            raise request.refusal
        method = METHODS.get(request.method)
        if method is None:
            raise _no_method(request.method)
        return _result(method.answer(node, request.params), request.id)
    except RpcRefused as error:
        return _error(error, request.id)
    except Exception as error:
        return _error(_failed(request.method, error), request.id)


def _no_method(name: str) -> RpcRefused:
    if name in KEYLESS:
        return refused(
            Refusal.NOT_ENABLED, "this server holds no keys: sign, then use eth_sendRawTransaction"
        )
    return refused(Refusal.METHOD)


def _failed(method: str, error: Exception) -> RpcRefused:
    """A failure of this machine or of this program; the log says of which class, never what was asked."""
    _LOG.error("%s failed: %s", method, type(error).__name__)
    why = str(type(error).__doc__) if isinstance(error, CareLedgerError) else None
    return refused(Refusal.INTERNAL, why and why.splitlines()[0])


def _result(result: Any, identifier: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identifier, "result": result}


def _error(error: RpcRefused, identifier: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identifier, "error": error_of(error)}


def _bytes(answered: Any) -> bytes:
    return json.dumps(answered, separators=(",", ":")).encode("ascii")
