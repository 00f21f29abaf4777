"""Tries which proposal for a checkout renders."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bot.cli.checkout import read_checkout, render_checkout
from bot.cluster.policy import ClusterPolicy
from bot.cluster.proposal.parts import parts, reduced, with_part
from bot.cluster.proposal.places import Place
from bot.cluster.proposal.proposal import (
    Proposal,
    as_deployed,
    propose,
    refused_kinds,
    with_missing,
    with_refused,
    with_size,
    without_rights,
)
from bot.cluster.render.generated import Marked
from bot.config.loader import parse_configuration
from bot.config.schema import Configuration
from bot.config.yaml_text import yaml_text
from bot.model.environment import EnvironmentKey
from bot.model.errors import ManifestsRefused, Rejected
from bot.model.manifest import Bundle, RenderRequest
from bot.model.repository import Repository
from bot.settings import ManifestSettings

_OF_RIGHTS = re.compile(r", (Role|RoleBinding)/")
"""Finds the kinds of rights in the message of a mistake."""
_PREVIEW = EnvironmentKey.preview(0, 0)


class Finder:
    """Makes proposals for a checkout whose `files` can be manifests or Dockerfiles."""

    def __init__(
        self, directory: Path, repository: Repository, files: Mapping[str, bytes], settings: ManifestSettings
    ) -> None:
        self._directory = directory
        self._repository = repository
        self._files = files
        self._settings = settings

    async def proposal(self, place: Place) -> tuple[Proposal, Sequence[str]]:
        """The proposal, and why it does not render. Routes of the manifests are kept only if they render."""
        try:
            request, marked = await self._read(place)
        except Rejected as error:
            return propose(self._files, place, (), self._repository, ()), _mistakes(error)
        policy = ClusterPolicy.of(self._settings)
        kinds = refused_kinds(marked.sources, request, policy)
        sources = as_deployed(marked.sources, request, policy)
        problems: list[str] = []
        for of_manifests in (True, False):
            proposal = propose(
                self._files, place, sources, self._repository, kinds, routes_of_manifests=of_manifests
            )
            proposed = parse_configuration(yaml_text(proposal.configuration))
            mistakes, bundle = await self._render(proposed)
            if mistakes and all(map(_OF_RIGHTS.search, mistakes)):
                proposal = without_rights(proposal)
                proposed = parse_configuration(yaml_text(proposal.configuration))
                mistakes, bundle = await self._render(proposed)
            if bundle is not None:
                return self._completed(proposal, bundle, proposed), ()
            problems = problems or mistakes
            if proposal.configuration.get("routes") != "manifests":
                break
        return proposal, problems

    async def _render(self, proposed: Configuration) -> tuple[list[str], Bundle | None]:
        """The mistakes, or the objects."""
        try:
            return [], await render_checkout(self._directory, proposed, _PREVIEW, {}, self._settings)
        except Rejected as error:
            return _mistakes(error), None

    async def part(self, place: Place) -> Proposal | None:
        """The proposal for the parts of the place that are not refused, if they are most of it."""
        every = parts(self._files, place)
        try:
            await self._read(place)
        except Rejected:
            return None  # a file is invalid, so nothing is known of its objects
        kept: list[str] = []
        for part in every:
            _, problems = await self.proposal(with_part(place, kept, part))
            kept += [part] * (not problems)
        smaller = reduced(self._files, place, kept)
        if smaller is None:
            return None
        proposal, _ = await self.proposal(smaller)
        return with_refused(proposal, [part for part in sorted(every) if part not in kept])

    async def _read(self, place: Place) -> tuple[RenderRequest, Marked]:
        """The objects that the place's tool renders."""
        configuration = {"version": 1, "images": {"app": "app"}, "manifests": place.section}
        minimal = parse_configuration(yaml_text(configuration))
        return await read_checkout(self._directory, minimal, _PREVIEW, {}, self._settings, self._repository)

    def _completed(self, proposal: Proposal, bundle: Bundle, proposed: Configuration) -> Proposal:
        proposal = with_missing(proposal, bundle.notes)
        if bundle.requests is None:
            return proposal
        available = proposed.section_of(_PREVIEW).size.override(self._settings.default_size)
        return with_size(proposal, bundle.requests, available)


def with_remark(proposal: Proposal, others: Sequence[Place]) -> Proposal:
    """The proposal that also names the other places with manifests."""
    if not others:
        return proposal
    names = ", ".join(place.title for place in others[:5])
    remark = f"There are manifests in other places as well: {names}."
    return replace(proposal, undecided=(remark, *proposal.undecided))


def _mistakes(error: Rejected) -> list[str]:
    return list(error.mistakes) if isinstance(error, ManifestsRefused) else [str(error), error.detail]
