"""Cost of idle previews: calls and time of the sweeps, memory of the process.

The previews stand in the store, on the embedded GitHub and on the embedded cluster (namespace and guard
rails, no pods), as if they had been deployed; then a bot starts and sweeps them repeatedly.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.cluster.client.connection import connect
from bot.cluster.namespaces import KubernetesNamespaces
from bot.cluster.policy import ClusterPolicy
from bot.embedded.bot_process import BotProcess, free_port
from bot.embedded.github import GitHubServer
from bot.embedded.installation import install
from bot.embedded.kubernetes import KubernetesServer
from bot.github.app import GitHubApp
from bot.model.delivery import PullRequestHint
from bot.model.environment import Attempt, EnvironmentKey, EnvironmentState, Status
from bot.model.pull_request import PullRequest
from bot.model.size import Size
from bot.settings import Domain
from bot.store import Store
from tests.bench.figures import Figures
from tests.bench.metrics import Snapshot, wait_for_sweeps

REPOSITORIES = 5
PREVIEWS = 500
ROUNDS = 3
INTERVAL_SECONDS = 10
_NAMESPACES_AT_ONCE = 8


async def bench() -> Figures:
    figures = Figures(
        f"Sweeps over {PREVIEWS} previews of {REPOSITORIES} repositories, nothing changed",
        ("one round of all sweeps", "no previews", f"{PREVIEWS} previews", "more per preview"),
    )
    empty, full = await _rounds(0), await _rounds(PREVIEWS)
    for title, name, labels, unit in (
        ("calls to GitHub", "greenroom_github_calls_total", (), 1),
        ("… with a 304 response, which is free", "greenroom_github_calls_total", ('status="304"',), 1),
        ("calls to the cluster", "greenroom_cluster_calls_total", (), 1),
        ("milliseconds of work", "greenroom_work_seconds_sum", ('kind="sweep"',), 1000),
        ("previews reconciled", "greenroom_work_seconds_count", ('kind="environment"',), 1),
    ):
        few, many = (
            (last.total(name, *labels) - first.total(name, *labels)) / (last.rounds - first.rounds) * unit
            for first, last in (empty, full)
        )
        figures.rows.append((title, f"{few:.1f}", f"{many:.1f}", f"{(many - few) / PREVIEWS:.3f}"))
    few, many = (last.total("process_resident_memory_bytes") / 1e6 for _, last in (empty, full))
    per_preview = (many - few) * 1000 / PREVIEWS
    figures.rows.append(("memory of the process, MB", f"{few:.1f}", f"{many:.1f}", f"{per_preview:.1f} kB"))
    return figures


async def _rounds(previews: int) -> tuple[Snapshot, Snapshot]:
    """Metrics after the first sweeps, and some rounds later."""
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as temporary, GitHubServer() as github:
        folder = Path(temporary)
        await asyncio.to_thread(_populate, github, previews)
        async with KubernetesServer() as cluster:
            administrator = cluster.write_kubeconfig(folder / "kubeconfig")
            app_id, own = github.credentials.app_id, folder / "bot-kubeconfig"
            async with await connect(administrator) as client:
                kubeconfig = await install(client, app_id, administrator, own, cluster)
            database = f"sqlite:///{folder / 'bot.db'}"
            await _deploy_all(github, kubeconfig, database)
            settings = _settings(github, kubeconfig, database)
            async with BotProcess(free_port(), settings, folder / "bot.log") as bot:
                first = await wait_for_sweeps(bot.url)
                return first, await wait_for_sweeps(bot.url, first.rounds + ROUNDS)


def _settings(github: GitHubServer, kubeconfig: Path, database: str) -> dict[str, str]:
    sweeps = ("RESYNC", "EXPIRY", "REDELIVERY", "ORPHANS")
    return {
        "GREENROOM_GITHUB_API_URL": github.api_url,
        "GREENROOM_GITHUB_APP_ID": str(github.credentials.app_id),
        "GREENROOM_GITHUB_PRIVATE_KEY": github.credentials.private_key,
        "GREENROOM_WEBHOOK_SECRET": github.credentials.webhook_secret,
        "GREENROOM_PUBLIC_URL": "https://greenroom.example.com",
        "GREENROOM_DATABASE_URL": database,
        "GREENROOM_BASE_DOMAIN": "http://preview.localhost:8080",
        "GREENROOM_GATEWAY": "gateways/public",
        "KUBECONFIG": str(kubeconfig),
        **{f"GREENROOM_{sweep}_INTERVAL": f"{INTERVAL_SECONDS}s" for sweep in sweeps},
    }


def _populate(github: GitHubServer, previews: int) -> None:
    github.accounts.create_user("ada")
    github.accounts.create_organization("acme", admins=("ada",))
    github.apps.install("acme", by="ada")
    for repository in (f"acme/shop-{number}" for number in range(REPOSITORIES)):
        github.repositories.create(repository, {"README.md": b"A shop"})
        for branch in (f"change-{number}" for number in range(previews // REPOSITORIES)):
            github.repositories.push(repository, branch, {"README.md": branch.encode()}, by="ada")
            github.pulls.open(repository, branch, by="ada", title=f"The {branch}")


async def _deploy_all(github: GitHubServer, kubeconfig: Path, database: str) -> None:
    """Fills store and cluster as a bot does that deployed all previews."""
    store = await Store.open(database)
    await store.migrate()
    app = GitHubApp(
        api_url=github.api_url,
        app_id=github.credentials.app_id,
        private_key=github.credentials.private_key,
        public_url="https://greenroom.example.com",
    )
    pulls = [
        pull
        for installation in await app.installations.list_all()
        for repository in await app.installations.repositories_of(installation.id)
        for pull in await app.pull_requests.open_pull_requests(repository)
    ]
    await store.deliveries.apply_hints(
        [PullRequestHint(pull.repository, pull.number, pull.head_sha, True) for pull in pulls]
    )
    await _save_ready(store, {str(_key(pull)): pull for pull in pulls})
    async with await connect(str(kubeconfig)) as api:
        policy = ClusterPolicy("gateways", "public", Domain("https", "preview.localhost", None))
        namespaces = KubernetesNamespaces(api, policy, github.credentials.app_id)
        for start in range(0, len(pulls), _NAMESPACES_AT_ONCE):
            together = pulls[start : start + _NAMESPACES_AT_ONCE]
            await asyncio.gather(*(_prepare(namespaces, store, pull) for pull in together))
    await app.close()
    await store.close()


async def _save_ready(store: Store, pulls: dict[str, PullRequest]) -> None:
    later = datetime.now(UTC) + timedelta(days=3)
    while claims := await store.queue.claim("bench", 50, 60):
        for claim in claims:
            pull = pulls[claim.key.subject]
            environment = await store.environments.get(_key(pull))
            assert environment is not None
            status = Status(
                EnvironmentState.READY, commit=pull.head_sha, live_commit=pull.head_sha, expires_at=later
            )
            ready = replace(
                environment,
                observed_generation=environment.generation,
                status=status,
                attempt=Attempt(pull_request=pull),
            )
            await store.environments.save(claim, ready)
            await store.queue.finish(claim)


async def _prepare(namespaces: KubernetesNamespaces, store: Store, pull: PullRequest) -> None:
    environment = await store.environments.get(_key(pull))
    assert environment is not None

    async def fence() -> None: ...

    await namespaces.prepare(
        environment.namespace,
        environment.key,
        pull.repository,
        environment.generation,
        Size(),
        fence,
        fork=False,
    )


def _key(pull: PullRequest) -> EnvironmentKey:
    return EnvironmentKey.preview(pull.repository.id, pull.number)
