"""Parts of texts about an environment: its addresses, and what happened to its manifests. Pure."""

from __future__ import annotations

from bot.github.messages.markdown import bullet_list, code, link, plain
from bot.model.environment import EnvironmentState, Phase, Status


def addresses(status: Status) -> list[str]:
    """The further addresses, if the environment has several."""
    further = [f"{code(name)} {link(url)}" for name, url in status.addresses.items()]
    return [bullet_list(further)] if further and status.url else []


def manifest_notes(status: Status) -> list[str]:
    failed = status.state is EnvironmentState.FAILED and status.phase is Phase.RENDER
    title = "All mistakes in the manifests:" if failed else "What happened to the manifests:"
    return [bullet_list(map(plain, status.manifest_notes), title)] if status.manifest_notes else []
