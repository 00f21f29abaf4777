"""The embedded GitHub without its HTTP: the world, and everything that can be done in it."""

import logging
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

from .credentials import AppCredentials, new_credentials
from .faults import Faults
from .hooks.deliveries import Deliveries
from .operations.apps import Accounts, Apps, Manifest
from .operations.checks import CI, Checks
from .operations.comments import Comments
from .operations.deployments import Deployments, Environments
from .operations.issues import Issues
from .operations.pulls import Pulls
from .operations.repositories import Repositories
from .requests import RequestLog
from .state.apps import App
from .state.world import GHOST, World

_log = logging.getLogger(__name__)

OnPush = Callable[[str, str, dict[str, bytes]], None]
"""The CI: called with `OWNER/NAME`, the SHA and the files, push after push, on a thread of its own."""


@dataclass(frozen=True)
class PreparedPush:
    """A commit that users can push from the pull request page: `name` is the button's label."""

    name: str
    files: dict[str, bytes]


@dataclass
class Settings:
    """Settings. Lifetimes and limits may be changed while the server runs."""

    token_lifetime: timedelta = timedelta(hours=1)
    rate_limit: int = 5_000  # requests in an hour, for each installation or person
    prepared_pushes: dict[str, list[PreparedPush]] = field(default_factory=dict)  # by `OWNER/NAME`


class GitHub:
    """One App, and all that users, the CI and the App do. Every method may be called from any thread."""

    def __init__(
        self,
        *,
        credentials: AppCredentials | None = None,
        on_push: OnPush | None = None,
    ) -> None:
        self.world = World()
        self.settings = Settings()
        self.faults = Faults()
        self.requests = RequestLog()
        self.apps = Apps(self.world, credentials or new_credentials("greenroom"))
        self.deliveries = Deliveries(self.world, self.faults, lambda: self.credentials)
        self.world.deliver = self.deliveries.send
        self.accounts = Accounts(self.world)
        self.repositories = Repositories(self.world)
        self.pulls = Pulls(self.world, self.repositories)
        self.comments = Comments(self.world)
        self.issues = Issues(self.world)
        self.checks = Checks(self.world)
        self.deployments = Deployments(self.world)
        self.environments = Environments(self.world)
        self.archive_tokens: dict[int, str] = {}  # by repository id
        self._on_push = on_push
        self._builds = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedded-ci")
        self._building: set[Future[None]] = set()
        self._building_changed = threading.Condition()
        if on_push:
            self.world.pushed = self._build
        self._populate()

    @property
    def credentials(self) -> AppCredentials:
        return self.apps.credentials

    def _populate(self) -> None:
        """The accounts and Apps that every GitHub has."""
        self.world.state.counters["installation"] = 40_000_000 + secrets.randbelow(20_000_000)
        self.accounts.create_user(GHOST, name="Deleted user")
        publisher = self.accounts.create_organization("greenroom-apps")
        now, credentials, manifest = self.world.now(), self.credentials, Manifest.read()
        apps = (
            App(
                id=credentials.app_id,
                slug=credentials.slug,
                name=credentials.slug.replace("-", " ").title(),
                owner=publisher.login,
                client_id=credentials.client_id,
                created_at=now,
                permissions=dict(manifest.permissions),
                events=list(manifest.events),
            ),
            App(15_368, CI, "GitHub Actions", publisher.login, "Iv1.ci", now, {"checks": "write"}, []),
        )
        for app in apps:
            self.world.state.apps[app.slug] = app
            self.accounts.create_bot(app.bot_login)

    def _build(self, repository: str, sha: str, files: dict[str, bytes]) -> None:
        if self._on_push is None:
            return
        future = self._builds.submit(self._on_push, repository, sha, files)
        with self._building_changed:
            self._building.add(future)
        future.add_done_callback(self._built)

    def _built(self, future: Future[None]) -> None:
        if not future.cancelled() and (error := future.exception()):
            _log.error("the CI raised an exception", exc_info=error)
        with self._building_changed:
            self._building.discard(future)
            self._building_changed.notify_all()

    def wait_idle(self, timeout: float = 10.0) -> None:
        """Wait until the CI has seen every push and every delivery was answered. Raises TimeoutError."""
        with self._building_changed:
            if not self._building_changed.wait_for(lambda: not self._building, timeout):
                raise TimeoutError("the CI has not finished")
        self.deliveries.wait_idle(timeout)

    def close(self) -> None:
        self._builds.shutdown(wait=True, cancel_futures=True)
