"""What needs no cluster: the objects of a commit, made by whatever the repository uses."""

from __future__ import annotations

import asyncio

from bot.cluster.policy import ClusterPolicy
from bot.cluster.render.comparable import comparable
from bot.cluster.render.render import render
from bot.cluster.render.tools import Tools
from bot.model.manifest import Bundle, RenderRequest
from bot.model.parity import Comparable


class ManifestRenderer:
    """Raises ManifestRefused, which names what is wrong and where."""

    def __init__(self, policy: ClusterPolicy, tools: Tools) -> None:
        self._policy = policy
        self._tools = tools

    async def render(self, request: RenderRequest) -> Bundle:
        sources = await self._tools.sources(request)
        # Thousands of lines of YAML must not hold up acknowledgements.
        return await asyncio.to_thread(render, request, sources, self._policy)

    async def comparable(self, request: RenderRequest) -> Comparable:
        """What can be compared with that of another request for the same place."""
        bundle = await self.render(request)
        return await asyncio.to_thread(comparable, bundle)
