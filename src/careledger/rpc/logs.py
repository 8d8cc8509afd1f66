"""Methods that look for logs, once or by a filter that tells what is new."""

from __future__ import annotations

from typing import Any

from careledger.adapters.evm.log_search import LogSearch
from careledger.rpc.criteria import Criteria, read_criteria
from careledger.rpc.filters import Filter, Watched
from careledger.rpc.method import Method, Parameter
from careledger.rpc.node import Node
from careledger.rpc.refusals import Refusal, refused
from careledger.rpc.values import NEWEST, BlockName, data, invalid, quantity, read_quantity
from careledger.rpc.views import log_view

MOST_BLOCKS = 5_000  # of one search, as on Besu
MOST_LOGS = 20_000  # of one answer
MOST_BYTES = 16 * 2**20  # of their data


def _search(node: Node, asked: Criteria) -> LogSearch:
    """The blocks to search; raises RpcRefused for a range that is reversed, too wide, or ends beyond the head."""
    if asked.only is not None:
        first = last = node.number(BlockName(digest=asked.only))
    else:
        head = node.onlooker.head().number
        first, last = (head if named == NEWEST else named.number or 0 for named in (asked.first, asked.last))
        if first > last:
            raise invalid("fromBlock", "is after toBlock")
        if last > head:
            raise invalid("toBlock", "is after the newest block")
    if last - first > MOST_BLOCKS:
        raise refused(Refusal.RANGE, f"at most {MOST_BLOCKS:,} blocks at once")
    return LogSearch(first, last, asked.addresses, asked.topics)


def _found(node: Node, search: LogSearch) -> list[Any]:
    found = node.onlooker.logs(search, MOST_LOGS, MOST_BYTES)
    if found is None:
        raise refused(
            Refusal.RANGE, f"at most {MOST_LOGS:,} logs and {MOST_BYTES:,} bytes: name fewer blocks"
        )
    return [log_view(each) for each in found]


def _logs(node: Node, asked: Criteria) -> Any:
    return _found(node, _search(node, asked))


def _new(node: Node, watched: Watched, criteria: Criteria | None = None) -> Any:
    return quantity(node.filters.add(Filter(watched, criteria, node.onlooker.head().number)))


def _new_logs(node: Node, asked: Criteria) -> Any:
    if asked.only is not None:
        raise invalid("criteria.blockHash", "goes with eth_getLogs: a filter tells of blocks to come")
    return _new(node, Watched.LOGS, asked)


def _new_blocks(node: Node) -> Any:
    return _new(node, Watched.BLOCKS)


def _new_transactions(node: Node) -> Any:
    return _new(node, Watched.TRANSACTIONS)


def _changes(node: Node, number: int) -> Any:
    """What came since the last question; much of it in portions, the next by asking again."""
    told = node.filters.get(number)
    last = min(node.onlooker.head().number, told.told + MOST_BLOCKS)
    if told.criteria is not None:
        news = _new_found(node, told.criteria, told.told + 1, last)
    else:
        news, last = _new_hashes(node, told, last)
    node.filters.tell(told, last)
    return news


def _new_found(node: Node, asked: Criteria, first: int, last: int) -> list[Any]:
    first = max(first, asked.first.number or 0)
    last = last if asked.last.number is None else min(last, asked.last.number)
    return _found(node, LogSearch(first, last, asked.addresses, asked.topics)) if first <= last else []


def _new_hashes(node: Node, told: Filter, last: int) -> tuple[list[str], int]:
    """Hashes of whole blocks' transactions, or of blocks, and the last block that they are of."""
    hashes: list[str] = []
    for number in range(told.told + 1, last + 1):
        if told.watched is Watched.TRANSACTIONS:
            hashes += map(data, node.onlooker.hashes(number))
        elif (header := node.onlooker.header(number)) is not None:
            hashes.append(data(header.hash))
        if len(hashes) >= MOST_LOGS:
            return hashes, number
    return hashes, last


def _filter_logs(node: Node, number: int) -> Any:
    told = node.filters.get(number)
    if told.criteria is None:
        raise refused(Refusal.FILTER_NOT_FOUND, "this filter tells no logs")
    return _logs(node, told.criteria)


def _remove(node: Node, number: int) -> Any:
    return node.filters.remove(number)


_CRITERIA = Parameter("criteria", read_criteria)
_FILTER = Parameter("filter", read_quantity)

METHODS = (
    Method(
        "eth_getLogs",
        (_CRITERIA,),
        _logs,
        f"logs by address, topics and blocks, after the first at most {MOST_BLOCKS:,}",
    ),
    Method("eth_newFilter", (_CRITERIA,), _new_logs, "a filter for logs of blocks to come"),
    Method("eth_newBlockFilter", (), _new_blocks, "a filter for the hashes of blocks to come"),
    Method(
        "eth_newPendingTransactionFilter",
        (),
        _new_transactions,
        "a filter for the hashes of transactions to come; they are in a block already",
    ),
    Method("eth_getFilterChanges", (_FILTER,), _changes, "what came since the last question"),
    Method("eth_getFilterLogs", (_FILTER,), _filter_logs, "all logs that a filter for logs matches"),
    Method("eth_uninstallFilter", (_FILTER,), _remove, "forgets a filter; whether there was one"),
)
