"""Differences between stages are reported or block a promotion."""

from __future__ import annotations

import json

from tests.story.conftest import Scenario, embedded_only, real_only
from tests.story.stages import staged

STAGES = """
stages:
  staging: {config: {COLOUR: blue}, size: {pods: "20"}}
  production: {after: [staging], parity: block}
"""
LACKING = ["--- staging", "+++ production", "@@ config and secrets @@", "-COLOUR: in config"]


@real_only
async def test_parity_block_refuses_a_missing_variable(small: Scenario) -> None:
    async with staged(small, STAGES) as stages:
        number = await small.open("one", small.hello("One."))
        await small.wait_until_ready(number)
        await stages.comment(number, "/promote staging")
        await stages.comment_with(number, "✅ Release", "**staging**")

        await stages.comment(number, "/promote production")
        comment = await stages.comment_with(number, "⛔ The promotion to **production** was rejected")
        assert "production differs from staging: 1 missing variable." in comment
        assert "\n".join(["```diff", *LACKING, "```"]) in comment
        assert (await stages.record("production")).target is None

        asked = ("parity", "staging", "production", "--repository", small.repository)
        code, printed = await stages.greenroom(*asked)
        assert code == 1
        lines = printed.splitlines()
        assert lines[0].startswith("production has no release yet; compared with release")
        assert [line.partition("  release")[0] for line in lines[1:5]] == LACKING
        assert small.head(number)[:7] in lines[1]
        assert lines[-1] == "production differs from staging: 1 missing variable."
        code, printed = await stages.greenroom(*asked, "--json")
        [difference] = json.loads(printed[printed.index("[") :])
        assert (code, difference["path"], difference["category"]) == (1, "COLOUR", "missing variable")

        await stages.configure(STAGES.replace("parity: block", "parity: block, config: {COLOUR: red}"))
        code, printed = await stages.greenroom(*asked)
        assert code == 0, printed
        await stages.comment(number, "/promote production")
        comment = await stages.comment_with(number, "✅ Release", "**production**")
        assert "⚠️" not in comment
        code, printed = await stages.greenroom(*asked)
        assert (code, printed) == (
            0,
            "staging and production are equal, except configuration values, secrets, size and host.",
        )
        assert await stages.greenroom("parity", "staging", "producton", *asked[3:]) == (
            2,
            "There is no stage producton (stages: staging, production).",
        )


@real_only
async def test_parity_warn_reports_and_promotes(small: Scenario) -> None:
    async with staged(small, STAGES.replace(", parity: block", "")) as stages:
        number = await small.open("one", small.hello("One."))
        await small.wait_until_ready(number)
        await stages.comment(number, "/promote staging")
        await stages.comment_with(number, "✅ Release", "**staging**")
        await stages.comment(number, "/promote production")
        comment = await stages.comment_with(number, "✅ Release", "**production**")
        assert "⚠️ Production differs from staging: 1 missing variable." in comment
        assert "\n".join(LACKING) in comment


@real_only
async def test_parity_command_compares_images_and_manifests(small: Scenario) -> None:
    async with staged(small, "\nstages:\n  staging: {}\n  production: {}\n") as stages:
        number = await small.open("one", small.hello("One."))
        await small.wait_until_ready(number)
        for stage in ("staging", "production"):
            await stages.comment(number, f"/promote {stage}")
            await stages.comment_with(number, "✅ Release", f"**{stage}**")
        files = small.hello("Two.")
        manifests = files["deploy/hello.yaml"]
        files["deploy/hello.yaml"] = manifests.replace(b"periodSeconds: 1", b"periodSeconds: 2")
        await small.push("one", files)
        await small.wait_until_ready(number)
        await stages.comment(number, "/promote staging")
        await stages.deployed("staging", "inactive", "success")

        asked = ("parity", "staging", "production", "--repository", small.repository)
        code, printed = await stages.greenroom(*asked)
        assert code == 1
        pod = "spec.template.spec.containers[hello]"
        [old], [new] = await stages.digests("production"), await stages.digests("staging")
        lines = printed.splitlines()
        assert lines[2] == "@@ Deployment/hello @@"
        assert lines[3].startswith(f"-{pod}.image: ")
        assert lines[3].endswith(new)
        assert lines[4].startswith(f"+{pod}.image: ")
        assert lines[4].endswith(old)
        assert lines[5:] == [
            f"-{pod}.readinessProbe.periodSeconds: 2",
            f"+{pod}.readinessProbe.periodSeconds: 1",
            "production differs from staging: 1 image, 1 probe.",
        ]


@embedded_only
async def test_promotion_reports_what_only_previews_have(small: Scenario) -> None:
    only = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: sandbox}\ndata: {mode: test}\n"
    configuration = "\npreview: {manifests: {plain: [preview]}}\nstages: {staging: {parity: block}}\n"
    async with staged(small, configuration) as stages:
        number = await small.open("one", {**small.hello("One."), "preview/sandbox.yaml": only})
        await small.wait_until_ready(number)
        await stages.comment(number, "/promote staging")
        comment = await stages.comment_with(number, "✅ Release", "**staging**")
        assert "⚠️ Staging differs from preview: 1 missing object." in comment
        assert "ConfigMap/sandbox" in comment
