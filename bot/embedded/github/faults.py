"""Faults, set from Python or by `POST /_faults`."""

import re
import threading
from typing import Literal, get_args

import msgspec

FaultKind = Literal[
    "drop",  # deliveries: recorded as failed, never sent
    "vanish",  # deliveries: not even recorded
    "double",  # deliveries: sent twice
    "delay",  # deliveries: sent after `seconds`
    "reorder",  # deliveries: held until `times` are there or `seconds` passed, then sent newest first
    "error",  # requests: answered with `status`, nothing done
    "error_after",  # requests: done, and then answered with `status`
    "hang",  # requests: answered only after `seconds`
    "rate_limit",  # requests: the primary limit is used up
    "secondary_limit",  # requests: refused with a retry-after of `seconds`
    "empty_lists",  # requests: every list is empty
    "revoke_tokens",  # requests: the next token that is used finds that all of them were revoked
    "outage",  # everything: pages, API and deliveries
]


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """`times` None lasts until cleared. `path` is a regular expression; an empty filter is any."""

    kind: FaultKind
    times: int | None = None
    seconds: float = 0.0
    status: int = 502
    method: str = ""
    path: str = ""
    event: str = ""


class Faults:
    """The faults that are on, taken one by one; safe between threads."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, kind: FaultKind, **how: float | str | None) -> Fault:
        """Switch on a fault; see Fault for its fields."""
        fault = msgspec.convert({"kind": kind, **how}, Fault)
        re.compile(fault.path)
        if fault.kind not in get_args(FaultKind):
            raise ValueError(f"no such fault: {fault.kind}")
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def listed(self) -> list[Fault]:
        with self._lock:
            return list(self._faults)

    def take(self, kind: FaultKind, *, method: str = "", path: str = "", event: str = "") -> Fault | None:
        """The first fault of this kind that applies, counted down."""
        with self._lock:
            for fault in self._faults:
                if fault.kind != kind or not _applies(fault, method, path, event):
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                return fault
        return None

    def peek(self, kind: FaultKind) -> Fault | None:
        with self._lock:
            return next((f for f in self._faults if f.kind == kind), None)

    def remove(self, fault: Fault) -> None:
        with self._lock:
            if fault in self._faults:
                self._faults.remove(fault)


def _applies(fault: Fault, method: str, path: str, event: str) -> bool:
    if fault.method and fault.method.upper() != method:
        return False
    if fault.event and fault.event != event:
        return False
    return not fault.path or re.search(fault.path, path) is not None
