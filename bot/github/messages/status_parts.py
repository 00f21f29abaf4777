"""Parts of texts about an environment: its cause, its addresses, and what happened to its manifests. Pure."""

from __future__ import annotations

from bot.github.messages.markdown import bullet_list, code, ended, link, plain, timestamp
from bot.model.environment import EnvironmentState, Phase, Status


def with_cause(headline: str, status: Status, end: str = "") -> str:
    """The headline, then the cause: sentences on the same line, or a list below it."""
    cause = cause_text(status)
    gap = "\n\n" if cause.startswith("- ") else " "
    return f"{headline}{gap}{cause}{end}" if cause else f"{headline}{end}"


def cause_text(status: Status) -> str:
    """The cause as sentences or a list, and the deadline of a wait."""
    if status.cause is None:
        return ""
    lines, until = status.cause.summary.splitlines(), status.cause.until
    is_list = len(lines) > 1
    cause = bullet_list(map(plain, lines)) if is_list else plain(ended("".join(lines)))
    deadline = f"Times out at {timestamp(until)}." if until is not None else ""
    return ("\n\n" if is_list else " ").join(filter(None, (cause, deadline)))


def addresses(status: Status) -> list[str]:
    """The further addresses, if the environment has several."""
    further = [f"{code(name)} {link(url)}" for name, url in status.addresses.items()]
    return [bullet_list(further)] if further and status.url else []


def manifest_notes(status: Status) -> list[str]:
    failed = status.state is EnvironmentState.FAILED and status.phase is Phase.RENDER
    title = "All mistakes in the manifests:" if failed else "What happened to the manifests:"
    return [bullet_list(map(plain, status.manifest_notes), title)] if status.manifest_notes else []
