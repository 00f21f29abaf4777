"""githubkit, as the bot uses it, takes this server for a GitHub Enterprise Server."""

from __future__ import annotations

import asyncio
import gzip
import io
import tarfile

from githubkit import AppAuthStrategy, AppInstallationAuthStrategy, GitHub

from bot.embedded.github import GitHubServer


def _app(github: GitHubServer) -> GitHub[AppAuthStrategy]:
    credentials = github.credentials
    return GitHub(AppAuthStrategy(credentials.app_id, credentials.private_key), base_url=github.api_url)


def _installation(github: GitHubServer, installation_id: int) -> GitHub[AppInstallationAuthStrategy]:
    credentials = github.credentials
    strategy = AppInstallationAuthStrategy(credentials.app_id, credentials.private_key, installation_id)
    return GitHub(strategy, base_url=github.api_url)


async def test_the_app_finds_its_installation(github: GitHubServer) -> None:
    installed = github.apps.install("acme", by="ada")
    async with _app(github) as app:
        me = (await app.rest.apps.async_get_authenticated()).parsed_data
        found = (await app.rest.apps.async_get_repo_installation("acme", "shop")).parsed_data
        listed = (await app.rest.apps.async_list_installations()).parsed_data
    assert me is not None
    assert me.slug == "greenroom"
    assert found.id == installed.id == listed[0].id


async def test_every_answer_fits_the_published_schema(github: GitHubServer, pull: int) -> None:
    installed = github.apps.install("acme", by="ada")
    github.pulls.label("acme/shop", pull, "preview", by="ben")
    github.pulls.review("acme/shop", pull, by="ada")
    github.accounts.create_team("acme", "ops", ("ben",))
    github.repositories.protect("acme/shop", "main", contexts=("build",), approving_reviews=1)
    sha = github.pulls.get("acme/shop", pull).head_sha
    github.checks.ci("acme/shop", sha, "success")
    github.checks.set_status("acme/shop", sha, "success", by="ben", context="lint")
    where = ("acme", "shop")
    async with _installation(github, installed.id) as api:
        rest = api.rest
        output = {"title": "Preview", "summary": "Waiting", "annotations": []}
        data = {"name": "greenroom", "head_sha": sha, "status": "in_progress", "output": output}
        run = (await rest.checks.async_create(*where, data=data)).parsed_data
        deployment = await rest.repos.async_create_deployment(
            *where,
            ref=sha,
            auto_merge=False,
            required_contexts=[],
            environment="preview/1",
            transient_environment=True,
        )
        deployment_id = deployment.parsed_data.id
        status = {"state": "success", "environment_url": "http://x.localhost", "auto_inactive": False}
        comment = (await rest.issues.async_create_comment(*where, pull, body="**Hello**")).parsed_data
        assert comment.user is not None
        assert comment.user.login == "greenroom[bot]"
        assert comment.performed_via_github_app is not None
        answers = [
            rest.apps.async_list_repos_accessible_to_installation(),
            rest.repos.async_get(*where),
            rest.pulls.async_list(*where, state="all", sort="updated", direction="desc"),
            rest.pulls.async_get(*where, pull),
            rest.pulls.async_list_files(*where, pull),
            rest.pulls.async_list_reviews(*where, pull),
            rest.pulls.async_list_commits(*where, pull),
            rest.repos.async_list_pull_requests_associated_with_commit(*where, sha),
            rest.repos.async_list_commits(*where),
            rest.repos.async_get_commit(*where, "price"),
            rest.git.async_get_tree(*where, "price", recursive="1"),
            rest.git.async_get_commit(*where, sha),
            rest.git.async_get_ref(*where, "heads/price"),
            rest.repos.async_compare_commits(*where, "main...price"),
            rest.repos.async_get_content(*where, "README.md"),
            rest.repos.async_get_content(*where, "deploy"),
            rest.repos.async_list_branches(*where),
            rest.repos.async_get_branch(*where, "main"),
            rest.repos.async_get_branch_protection(*where, "main"),
            rest.checks.async_get(*where, run.id),
            rest.checks.async_update(*where, run.id, data={"conclusion": "success"}),
            rest.checks.async_list_for_ref(*where, "price", check_name="build"),
            rest.checks.async_list_suites_for_ref(*where, sha),
            rest.repos.async_get_combined_status_for_ref(*where, sha),
            rest.repos.async_list_commit_statuses_for_ref(*where, sha),
            rest.actions.async_list_workflow_runs_for_repo(*where, head_sha=sha),
            rest.repos.async_create_deployment_status(*where, deployment_id, data=status),
            rest.repos.async_list_deployments(*where, environment="preview/1"),
            rest.repos.async_get_deployment(*where, deployment_id),
            rest.repos.async_list_deployment_statuses(*where, deployment_id),
            rest.repos.async_get_all_environments(*where),
            rest.repos.async_get_environment(*where, "preview/1"),
            rest.issues.async_get(*where, pull),
            rest.issues.async_list_comments(*where, pull),
            rest.issues.async_update_comment(*where, comment.id, body="Changed"),
            rest.reactions.async_create_for_issue_comment(*where, comment.id, content="eyes"),
            rest.reactions.async_list_for_issue_comment(*where, comment.id),
            rest.repos.async_get_collaborator_permission_level(*where, "ben"),
            rest.teams.async_get_membership_for_user_in_org("acme", "ops", "ben"),
            rest.teams.async_list_members_in_org("acme", "ops"),
            rest.users.async_get_by_username("ben"),
            rest.rate_limit.async_get(),
        ]
        for answer in await asyncio.gather(*answers):
            assert answer.parsed_data is not None


async def test_the_app_reads_its_deliveries(github: GitHubServer, pull: int) -> None:
    github.apps.set_webhook("http://127.0.0.1:9/nobody-listens")
    github.wait_idle()
    async with _app(github) as app:
        config = (await app.rest.apps.async_get_webhook_config_for_app()).parsed_data
        [ping] = (await app.rest.apps.async_list_webhook_deliveries()).parsed_data
        full = (await app.rest.apps.async_get_webhook_delivery(ping.id)).parsed_data
    assert config.url == "http://127.0.0.1:9/nobody-listens"
    assert (ping.event, ping.status_code, ping.status) == ("ping", 502, "failed to connect to host")
    assert full.request.payload is not None


async def test_a_tarball_is_found_behind_its_redirect(github: GitHubServer, pull: int) -> None:
    installed = github.apps.install("acme", by="ada")
    sha = github.pulls.get("acme/shop", pull).head_sha
    async with _installation(github, installed.id) as api:
        answer = await api.rest.repos.async_download_tarball_archive("acme", "shop", sha)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(answer.content))) as tar:
        names = [name.partition("/") for name in tar.getnames()]
        member = tar.extractfile(f"acme-shop-{sha[:7]}/src/app.py")
        assert member is not None
        assert member.read() == b"print(2)\n"
    assert {top for top, _, _ in names} == {f"acme-shop-{sha[:7]}"}
    assert {rest for _, _, rest in names} >= {"README.md", "deploy/web.yaml", "src/app.py"}
