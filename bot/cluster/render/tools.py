"""Runs the tool of a repository on a commit's files: plain manifests, Kustomize or Helm."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from bot.cluster.manifests import Source, read
from bot.cluster.render import helm, kustomize
from bot.cluster.render.folder import private_folder
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


class Tools:
    """Kustomize and Helm from the PATH. `hosts` are the remote hosts for bases and charts."""

    def __init__(self, hosts: Collection[str] = (), limits: Limits | None = None) -> None:
        self._hosts = frozenset(hosts)
        self._limits = limits or Limits()
        self._slots = asyncio.Semaphore(_CONCURRENCY)

    async def sources(self, request: RenderRequest) -> Sequence[Source]:
        """The objects of the commit. Raises ManifestRefused with the place or the tool's error output."""
        if request.tool is Tool.KUSTOMIZE:
            return await self._kustomize(request)
        if request.tool is Tool.HELM:
            return await self._helm(request)
        return await asyncio.to_thread(read, request.files, request.paths)

    async def version(self, tool: Tool) -> str:
        """The tool's version. Raises ToolMissing, or ManifestRefused when the tool fails."""
        async with private_folder({}) as folder:
            printed = await self._run(tool, _VERSION[tool], folder)
        return printed.decode(errors="replace").strip()[:100]

    async def _kustomize(self, request: RenderRequest) -> Sequence[Source]:
        files, directory = request.files, request.directory
        plan = await asyncio.to_thread(kustomize.plan, files, directory, self._hosts)
        needed = await asyncio.to_thread(plan.files, files)
        async with self._slots, private_folder(needed) as folder:
            build = folder / kustomize.BUILD
            build.mkdir()
            (build / kustomize.NAMES[0]).write_bytes(kustomize.wrapper(directory))
            arguments = ("build", f"../{kustomize.BUILD}", "--load-restrictor=LoadRestrictionsRootOnly")
            output = await self._run(Tool.KUSTOMIZE, arguments, folder, online=plan.online)
        return await asyncio.to_thread(kustomize.sources, output, files, directory)

    async def _helm(self, request: RenderRequest) -> Sequence[Source]:
        directory, values = request.directory, request.values
        plan = await asyncio.to_thread(helm.plan, request.files, directory, values, self._hosts)
        async with self._slots, private_folder(plan.files) as folder:
            if plan.online:
                await self._fetch(plan, directory, folder)
            arguments = helm.arguments(plan, directory, values, request.namespace)
            output = await self._run(Tool.HELM, arguments, folder)
        return await asyncio.to_thread(helm.sources, output, directory)

    async def _fetch(self, plan: helm.HelmPlan, directory: str, folder: Path) -> None:
        """Fetches dependencies, at the versions of the chart's lock if it has one."""
        repositories = folder / "repositories.yaml"
        repositories.write_bytes(helm.repositories_file(plan.repositories))
        arguments = ("dependency", "build", f"../commit/{directory}", f"--repository-config={repositories}")
        await self._run(Tool.HELM, arguments, folder, online=True)

    async def _run(
        self, tool: Tool, arguments: Sequence[str], folder: Path, *, online: bool = False
    ) -> bytes:
        program = shutil.which(tool)
        if program is None:
            raise ToolMissing(tool)
        home = folder / "home"
        home.mkdir(exist_ok=True)
        try:
            return await run(program, arguments, home, self._limits, online=online)
        except ToolFailed as error:
            output = error.stderr.replace(f"{folder}/commit/", "").replace(str(folder), "")
            message = f"`{tool} {arguments[0]}` {error}."
            raise ManifestRefused(message, output) from None
