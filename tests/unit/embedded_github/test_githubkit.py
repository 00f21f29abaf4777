"""githubkit works with this server as with a GitHub Enterprise Server."""

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


async def test_app_lists_its_installations(github: GitHubServer) -> None:
    installed = github.apps.install("acme", by="ada")
    async with _app(github) as app:
        me = (await app.rest.apps.async_get_authenticated()).parsed_data
        parsed_data = (await app.rest.apps.async_get_installation(installed.id)).parsed_data
        listed = (await app.rest.apps.async_list_installations()).parsed_data
    assert me is not None
    assert me.slug == "greenroom"
    assert parsed_data.id == installed.id == listed[0].id


async def test_responses_fit_the_published_schema(github: GitHubServer, pull: int) -> None:
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
            rest.git.async_get_commit(*where, sha),
            rest.git.async_get_ref(*where, "heads/price"),
            rest.repos.async_compare_commits(*where, "main...price"),
            rest.repos.async_get_content(*where, "README.md"),
            rest.repos.async_get_content(*where, "deploy"),
            rest.repos.async_get_branch(*where, "main"),
            rest.checks.async_list_for_ref(*where, "price", check_name="build"),
            rest.repos.async_get_combined_status_for_ref(*where, sha),
            rest.repos.async_create_deployment_status(*where, deployment_id, data=status),
            rest.repos.async_list_deployments(*where, environment="preview/1"),
            rest.repos.async_list_deployment_statuses(*where, deployment_id),
            rest.repos.async_get_environment(*where, "preview/1"),
            rest.issues.async_list_comments(*where, pull),
            rest.reactions.async_create_for_issue_comment(*where, comment.id, content="eyes"),
            rest.repos.async_get_collaborator_permission_level(*where, "ben"),
            rest.teams.async_get_membership_for_user_in_org("acme", "ops", "ben"),
        ]
        for answer in await asyncio.gather(*answers):
            assert answer.parsed_data is not None


async def test_app_lists_its_deliveries(github: GitHubServer, pull: int) -> None:
    github.apps.set_webhook("http://127.0.0.1:9/nobody-listens")
    github.wait_idle()
    async with _app(github) as app:
        config = (await app.rest.apps.async_get_webhook_config_for_app()).parsed_data
        [ping] = (await app.rest.apps.async_list_webhook_deliveries()).parsed_data
    assert config.url == "http://127.0.0.1:9/nobody-listens"
    assert (ping.event, ping.status_code, ping.status) == ("ping", 502, "failed to connect to host")


async def test_tarball_is_behind_a_redirect(github: GitHubServer, pull: int) -> None:
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
