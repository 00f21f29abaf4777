"""Runs Docker credential helpers: `docker-credential-NAME get`, with the registry on standard input."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
from collections.abc import Mapping

from bot.model.errors import Unavailable
from bot.model.image_reference import DOCKER_HUB

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")
_SECONDS = 10.0
_NOT_FOUND = "credentials not found"
"""What helpers print when they have no credentials for a registry."""
_HUB_KEY = "https://index.docker.io/v1/"


def find_helper(name: object) -> str:
    """The path of the helper's program. Raises ValueError for an invalid name or a missing program."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError("a credential helper has an invalid name: expected NAME of docker-credential-NAME")
    path = shutil.which(f"docker-credential-{name}")
    if path is None:
        raise ValueError(f"the program docker-credential-{name} is not on PATH")
    return path


async def ask_helper(program: str, registry: str) -> tuple[str, str] | None:
    """User name and secret for the registry; None when the helper has none. Raises Unavailable."""
    name = os.path.basename(program)
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_environment(os.environ),
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(f"the credential helper {name} could not be started: {error.strerror}") from None
    server = _HUB_KEY if registry == DOCKER_HUB else registry
    try:
        async with asyncio.timeout(_SECONDS):
            output, _ = await process.communicate(server.encode())
    except TimeoutError:
        raise Unavailable(f"the credential helper {name} did not finish within {_SECONDS:.0f} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # a shell script has children
            await process.wait()
    if process.returncode != 0 and _NOT_FOUND in output.decode(errors="replace").lower():
        return None
    # The output is not shown: it can contain the secret.
    if process.returncode != 0:
        raise Unavailable(f"the credential helper {name} failed for {registry} (exit {process.returncode})")
    try:
        answer = json.loads(output)
        user, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError):
        user, secret = None, None
    if not isinstance(user, str) or not isinstance(secret, str):
        raise Unavailable(f"the credential helper {name} printed no user name and secret for {registry}")
    return (user, secret) if secret else None


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Without the bot's own settings, which contain secrets."""
    return {name: value for name, value in environment.items() if not name.startswith("GREENROOM_")}
