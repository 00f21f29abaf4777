"""Promotions that are blocked in a given state, with what the product offers.

The application of these scenarios is ready on a stage, and passes its check there, when a signal is opened: a
file outside of its pods. Containers do not see it: there the application is always ready, and only a state
that waits for a person lasts.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.model.promotion import Promotion
from bot.model.promotion import PromotionState as State
from tests.story.conftest import Scenario
from tests.story.stages import Stages, staged

_SERVE = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

signal = os.path.join(os.environ["SIGNALS"], "ready") if "SIGNALS" in os.environ else os.devnull
entered = False


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        global entered
        entered = entered or os.path.exists(signal)
        self.send_response(200 if entered else 503)
        self.end_headers()
        self.wfile.write(open("sentence.txt", "rb").read())

    def log_message(self, *_):
        pass


HTTPServer((os.environ.get("HOST", ""), 28080), Handler).serve_forever()
"""

_CHECK = """
import os
import sys
import time

if "SIGNALS" not in os.environ:
    sys.exit()
signal = os.path.join(os.environ["SIGNALS"], "check")
while not os.path.exists(signal):
    time.sleep(0.05)
sys.exit(int(open(signal).read()))
"""

_STAGE = """
stages:
  staging:
    config: {config}
    checks: [{{name: smoke, job: {{image: hello, command: [python, check.py]}}}}]
    {more}
"""

_MORE = {
    State.GATING: "required: {checks: [sign-off]}",
    State.AWAITING_APPROVAL: "approvals: {count: 1}",
    State.QUEUED: "automatic: true",
    State.SOAKING: "soak: 8s",
}


@dataclass
class BlockedPromotion:
    """A promotion to staging, which runs `before`, of the release `after`."""

    scenario: Scenario
    stages: Stages
    folder: Path
    number: int = 0
    before: set[str] | None = None
    """Digests."""
    after: set[str] | None = None

    def open(self, name: str, word: str = "0") -> None:
        beside = self.folder / f"{name}.new"
        beside.write_text(word)
        os.replace(beside, self.folder / name)

    def close(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    async def configure(self, more: str = "") -> None:
        config = "{}" if self.scenario.world.has_containers else f"{{SIGNALS: {self.folder}}}"
        await self.stages.configure(_STAGE.format(config=config, more=more))

    async def settle(self) -> None:
        """Promotes a first release to staging."""
        self.open("ready")
        self.open("check")
        await self.configure()
        self.number = await self.stages.open("feature", "Before.")
        await self.stages.comment(self.number, "/promote staging", by="cem")
        await self.stages.comment_with(self.number, "✅ Release", "**staging**")
        self.before = await self.stages.preview_digests(self.number)
        await self.stages.runs("staging", self.before)

    async def block(self, state: State, more: str | None = None) -> Promotion:
        """Promotes a second release and returns when its promotion is blocked in this state."""
        stages, number = self.stages, self.number
        if state is State.QUEUED:
            await stages.comment(number, "/lock staging load test", by="bea")
            await stages.comment_with(number, "🔒 Locked `staging` for you")
        await self.configure(_MORE.get(state, "") if more is None else more)
        await self.scenario.push("feature", await stages.files("After."))
        await self.scenario.wait_until_ready(number)
        self.after = await stages.preview_digests(number)
        if state is State.REQUESTED:
            path = f"/repos/{self.scenario.repository}/pulls/{number}/commits$"
            self.scenario.github.faults.add("error", method="GET", path=path)
        if state is State.DEPLOYING:
            self.close("ready")
        if state in (State.VERIFYING, State.ROLLING_BACK):
            self.close("check")
        if state is State.QUEUED:
            await stages.merge(number, "merge")
            await stages.comment_with(number, "⏳ Release", "locked by bea")
        else:
            await stages.comment(number, "/promote staging", by="cem")
        if state is State.ROLLING_BACK:
            await stages.comes_to("staging", State.VERIFYING)
            self.close("ready")
            self.open("check", "1")
        return await stages.comes_to("staging", state)

    async def unblock(self, state: State) -> None:
        """Removes what blocks the promotion."""
        stages, number = self.stages, self.number
        self.scenario.github.faults.clear()
        self.open("check")
        self.open("ready")
        if state is State.GATING:
            head = self.scenario.head(number)
            self.scenario.github.checks.ci(self.scenario.repository, head, "success", name="sign-off")
        if state is State.AWAITING_APPROVAL:
            await stages.comment(number, "/approve", by="bea")
        if state is State.QUEUED:
            await stages.comment(number, "/unlock staging", by="bea")


@asynccontextmanager
async def blocked_promotion(scenario: Scenario) -> AsyncIterator[BlockedPromotion]:
    async with staged(scenario, "") as stages:
        files = {**scenario.hello(), "serve.py": _SERVE.encode(), "check.py": _CHECK.encode()}
        files["Dockerfile"] = files["Dockerfile"].replace(b"CMD", b"COPY check.py check.py\nCMD")
        stages.application = files
        with tempfile.TemporaryDirectory() as folder:
            blocked = BlockedPromotion(scenario, stages, Path(folder))
            await blocked.settle()
            yield blocked
            scenario.github.faults.clear()
