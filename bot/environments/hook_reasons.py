"""Reasons for hooks of a chart that run or failed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HookWaiting:
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class HookFailed:
    name: str
    message: str


HookReason = HookWaiting | HookFailed
