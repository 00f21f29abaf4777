"""Folds comparisons into the record of a stage: a finding counts when it is seen twice in a row. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bot.model.drift import Comparison, DriftRecord, Finding, Heal, ResourceComparison, Unreadable

DAY = timedelta(days=1)
_TERRAFORM = "Terraform"
"""The subject under which a plan that could not be made is reported."""


def observed(record: DriftRecord, comparison: Comparison, deployment: str, now: datetime) -> DriftRecord:
    """The record after one more comparison.

    What an earlier deployment showed does not count. A finding stays while its object is unreadable: that
    it was not seen then proves nothing.
    """
    before = _of_objects(record)
    if record.deployment != deployment:
        before = replace(before, suspected=(), confirmed=())
    earlier = {finding.identity for finding in (*before.suspected, *before.confirmed)}
    confirmed = [finding for finding in comparison.findings if finding.identity in earlier]
    suspected = [finding for finding in comparison.findings if finding.identity not in earlier]
    if comparison.unreadable:
        seen = {finding.identity for finding in comparison.findings}
        confirmed += [
            finding
            for finding in before.confirmed
            if finding.identity not in seen and _is_hidden(finding, comparison)
        ]
        suspected += [
            finding
            for finding in before.suspected
            if finding.identity not in seen and _is_hidden(finding, comparison)
        ]
    compared = replace(
        before,
        deployment=deployment,
        checked_at=now,
        suspected=tuple(suspected),
        confirmed=tuple(confirmed),
        unreadable=comparison.unreadable,
        heals=tuple(heal for heal in record.heals if now - heal.at < DAY),
    )
    return _merged(compared, record, now)


def with_resources(record: DriftRecord, resources: ResourceComparison | None, now: datetime) -> DriftRecord:
    """The record with what plans showed about the stage's resources."""
    return _merged(replace(_of_objects(record), resources=resources), record, now)


def _of_objects(record: DriftRecord) -> DriftRecord:
    """The record without what plans showed."""
    return replace(
        record,
        suspected=tuple(finding for finding in record.suspected if not finding.resource),
        confirmed=tuple(finding for finding in record.confirmed if not finding.resource),
        unreadable=tuple(item for item in record.unreadable if item.subject != _TERRAFORM),
    )


def _merged(record: DriftRecord, before: DriftRecord, now: datetime) -> DriftRecord:
    """A record of objects, with what plans showed."""
    resources = record.resources or ResourceComparison()
    confirmed = (*record.confirmed, *resources.confirmed)
    problem = resources.problem or "not planned yet"
    unknown = record.resources is not None and (resources.problem or resources.checked_at is None)
    since = before.since if before.since is not None and before.confirmed else now
    return replace(
        record,
        suspected=(*record.suspected, *resources.suspected),
        confirmed=confirmed,
        unreadable=(*record.unreadable, *((Unreadable(_TERRAFORM, problem),) if unknown else ())),
        since=since if confirmed else None,
    )


def _is_hidden(finding: Finding, comparison: Comparison) -> bool:
    """Whether the finding's object, its kind or everything was unreadable."""
    subjects = {unreadable.subject for unreadable in comparison.unreadable}
    return bool(subjects & {"", finding.object, finding.object.partition("/")[0]})


def failed(record: DriftRecord, problem: str, now: datetime) -> DriftRecord:
    """The record after a comparison that could not be made at all."""
    comparison = Comparison(unreadable=(Unreadable("", problem),))
    return observed(record, comparison, record.deployment, now)


def may_heal(record: DriftRecord, limit: int, now: datetime) -> bool:
    """Whether fewer than `limit` repairs were made within a day."""
    return sum(now - heal.at < DAY for heal in record.heals) < limit


def healed(record: DriftRecord, heal: Heal) -> DriftRecord:
    """The record after a repair. The next comparison shows whether it lasts."""
    return replace(record, heals=(*record.heals, heal))
