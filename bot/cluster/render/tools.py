"""Runs the tool of a repository on a commit's files: plain manifests, Kustomize or Helm."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from bot.cluster.manifests import Source, read
from bot.cluster.render import helm, kustomize, lookup
from bot.cluster.render.archives import unpack
from bot.cluster.render.clock import at_another_time
from bot.cluster.render.folder import COMMIT, private_folder
from bot.cluster.render.generated import Marked
from bot.cluster.render.overlay import overlay_notes
from bot.cluster.render.process import Limits, ToolFailed, run
from bot.model.errors import ManifestRefused, Rejected
from bot.model.manifest import RenderRequest, Tool

_CONCURRENCY = 2
_VERSION = {Tool.KUSTOMIZE: ("version",), Tool.HELM: ("version", "--short")}


class ToolMissing(Rejected):
    """The tool is not installed where the bot runs."""

    def __init__(self, tool: Tool) -> None:
        super().__init__(
            f"The manifests require {tool.capitalize()}, but `{tool}` is not on Greenroom's PATH. "
            "Ask the operator to install it."
        )


class ChartSource(Protocol):
    """Fetches packaged charts."""

    async def fetch(self, repository: str, name: str, version: str) -> bytes:
        """A chart with a checked digest. Raises Unavailable, and Rejected with the reason."""


class Tools:
    """Kustomize and Helm from the PATH. `hosts` are the remote hosts for bases and charts."""

    def __init__(
        self,
        hosts: Collection[str] = (),
        limits: Limits | None = None,
        charts: ChartSource | None = None,
    ) -> None:
        self._hosts = frozenset(hosts)
        self._charts = charts
        self._limits = limits or Limits()
        self._slots = asyncio.Semaphore(_CONCURRENCY)
        self._assumed: lookup.Capabilities | None = None

    async def sources(self, request: RenderRequest) -> Marked:
        """The objects of the commit, and how they differ from those of production.

        Raises ManifestRefused with the place or the tool's error output.
        """
        marked = await self._sources(request)
        if request.production is None:
            return marked
        production = await self._sources(request.of_production)
        notes = await asyncio.to_thread(overlay_notes, marked.sources, production.sources)
        return replace(marked, notes=(*marked.notes, *notes))

    async def _sources(self, request: RenderRequest) -> Marked:
        if request.tool is Tool.HELM:
            return await self._helm(request)
        if request.tool is Tool.KUSTOMIZE:
            return await self._kustomize(request)
        return Marked(tuple(await asyncio.to_thread(read, request.files, request.paths)))

    async def version(self, tool: Tool) -> str:
        """The tool's version. Raises ToolMissing, or ManifestRefused when the tool fails."""
        async with private_folder({}) as folder:
            printed = await self._run(tool, _VERSION[tool], folder)
        return printed.decode(errors="replace").strip()[:100]

    async def _kustomize(self, request: RenderRequest) -> Marked:
        files, directory = request.files, request.directory
        plan = await asyncio.to_thread(kustomize.plan, files, directory, self._hosts)
        needed = await asyncio.to_thread(plan.files, files)
        async with self._slots, private_folder(needed) as folder:
            build = folder / kustomize.BUILD
            build.mkdir()
            (build / kustomize.NAMES[0]).write_bytes(kustomize.wrapper(directory))
            arguments = ("build", f"../{kustomize.BUILD}", "--load-restrictor=LoadRestrictionsRootOnly")
            output = await self._run(Tool.KUSTOMIZE, arguments, folder, online=plan.online)
        sources = await asyncio.to_thread(kustomize.sources, output, files, directory)
        return Marked(sources, notes=tuple(plan.notes))

    async def _helm(self, request: RenderRequest) -> Marked:
        """Renders the chart twice, at different times: what differs is generated."""
        directory, values, settings = request.directory, request.values, request.helm_settings
        charts = self._hosts if self._charts is not None else ()
        plan = await asyncio.to_thread(helm.plan, request.files, directory, values, charts, settings)
        arguments = helm.arguments(plan, directory, values, request.namespace, settings)
        files = await self._with_remote_charts(plan)
        others = await asyncio.to_thread(at_another_time, files)
        if unchecked := helm.schema_notes(files):
            arguments += helm.WITHOUT_SCHEMAS

        async def rendering(files: Mapping[str, bytes], objects: bytes | None = None) -> tuple[Source, ...]:
            more = () if objects is None else lookup.ARGUMENTS
            async with self._slots, private_folder(files) as folder:
                output = await self._run(Tool.HELM, (*arguments, *more), folder, lookups=objects)
            return await asyncio.to_thread(helm.sources, output, directory)

        first = await rendering(files)
        marked = await asyncio.to_thread(helm.mark_deployed, first, await rendering(others))
        objects = await request.live() if request.live is not None and lookup.is_used(files) else ()
        if objects:
            rendered = [source.manifest for source in first]
            cluster = await self._capabilities()
            live = lookup.content(cluster, objects, rendered, files)
            changed = await asyncio.to_thread(lookup.with_other_values, objects, marked)
            changed_live = lookup.content(cluster, changed, rendered, files)
            renderings = await rendering(files, live), await rendering(others, changed_live)
            marked = await asyncio.to_thread(helm.mark_deployed, *renderings)
        return replace(marked, notes=(*unchecked, *marked.notes))

    async def _capabilities(self) -> lookup.Capabilities:
        """What Helm assumes of a cluster when it has none."""
        if self._assumed is None:
            async with private_folder(lookup.PROBE_FILES) as folder:
                arguments = ("template", "probe", f"../{COMMIT}/{lookup.PROBE}")
                self._assumed = lookup.capabilities(await self._run(Tool.HELM, arguments, folder))
        return self._assumed

    async def _with_remote_charts(self, plan: helm.HelmPlan) -> Mapping[str, bytes]:
        """The files of the plan and of the charts that it fetches."""
        files = dict(plan.files)
        for folder, chart in plan.remote.items():
            assert self._charts is not None, "the plan allows no host without it"
            try:
                archive = await self._charts.fetch(chart.repository, chart.name, chart.version)
            except Rejected as error:
                raise ManifestRefused(f"{chart.where}: {error}.", error.detail) from None
            unpacked = await asyncio.to_thread(unpack, archive, chart.where)
            files |= {f"{folder}/{path}": content for path, content in unpacked.items()}
        return files

    async def _run(
        self,
        tool: Tool,
        arguments: Sequence[str],
        folder: Path,
        *,
        online: bool = False,
        lookups: bytes | None = None,
    ) -> bytes:
        program = shutil.which(tool)
        if program is None:
            raise ToolMissing(tool)
        home = folder / "home"
        home.mkdir(exist_ok=True)
        try:
            return await run(program, arguments, home, self._limits, online=online, lookups=lookups)
        except ToolFailed as error:
            output = error.stderr.replace(f"{folder}/commit/", "").replace(str(folder), "")
            way = helm.advice(output) if tool is Tool.HELM else ""
            message = f"`{tool} {arguments[0]}` {error}.{way}"
            raise ManifestRefused(message, output) from None
