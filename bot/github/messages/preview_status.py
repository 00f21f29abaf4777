"""A preview in the answers to `/status` and `/why`. Pure."""

from __future__ import annotations

from bot.environments.views import EnvironmentView
from bot.github.messages.actions import decision_action
from bot.github.messages.environment_reasons import headline, last_error
from bot.github.messages.markdown import (
    block,
    bullet_list,
    capitalized,
    code,
    link,
    plain,
    short_digest,
    timestamp,
)
from bot.model.environment import Decision

_DECISIONS = 10
_DETAIL = 4_000


def preview_status(preview: EnvironmentView) -> list[str]:
    """Paragraphs of the answer to `/status`."""
    url = f" {link(preview.url)}" if preview.url else ""
    facts = [f"{code(name)} {code(short_digest(digest))}" for name, digest in sorted(preview.images.items())]
    if preview.cluster:
        facts.append(f"on the cluster {code(preview.cluster)}")
    if preview.expires_at is not None:
        facts.append(f"expires on {timestamp(preview.expires_at)}")
    if len(facts) == 1:
        facts = [capitalized(facts[0])]
    checks = [f"{code(check.name)} {check.state}" for check in preview.checks]
    paragraphs = [
        f"**{plain(headline(preview))}**{url}",
        _cause(preview),
        " · ".join(facts),
        f"Checks: {' · '.join(checks)}" if checks else "",
        plain(last_error(preview.scheduled)),
    ]
    return [paragraph for paragraph in paragraphs if paragraph]


def preview_decisions(preview: EnvironmentView) -> list[str]:
    """Paragraphs of the answer to `/why`."""
    paragraphs = [f"**{plain(headline(preview))}**", _cause(preview)]
    cause = preview.cause or preview.wait
    if cause is not None and cause.detail:
        paragraphs.append(block(cause.detail, _DETAIL))
    decisions = [_decision(decision) for decision in preview.decisions[:_DECISIONS]]
    paragraphs += [bullet_list(decisions, "Decisions, newest first:"), plain(last_error(preview.scheduled))]
    return [paragraph for paragraph in paragraphs if paragraph]


def _cause(preview: EnvironmentView) -> str:
    cause = preview.cause or preview.wait
    return plain(cause.summary) if cause is not None else ""


def _decision(decision: Decision) -> str:
    by = f" (by {code(decision.by)})" if decision.by else ""
    action = plain(decision_action(decision.action))
    return f"{timestamp(decision.at)}: **{action}** {plain(decision.reason, 300)}{by}"
