"""A temporary PostgreSQL server from Debian's packages: own directory, free port."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

_START_SECONDS = 30
_USER = "greenroom"


class PostgresqlMissing(Exception):
    """Debian's PostgreSQL is not installed: apt-get install postgresql."""


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Starts a server; yields the URL of its administrative database. `database` creates one for a test."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="greenroom-postgresql-"))
    try:
        account = _account(folder)
        data = folder / "data"
        _run(account, [str(programs / "initdb"), "-D", str(data), "-U", _USER, "-A", "trust", "-E", "UTF8"])
        port = _free_port()
        server = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", ""]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([*server], stdout=log, stderr=log, **account)
        try:
            url = f"postgresql://{_USER}@127.0.0.1:{port}/postgres"
            _wait(url, process, folder / "log")
            yield url
        finally:
            process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            process.wait(_START_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def database(server: str) -> Iterator[str]:
    """A fresh database on the server, dropped afterwards."""
    name = f"test_{os.urandom(6).hex()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield server.rsplit("/", 1)[0] + f"/{name}"
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _programs() -> Path:
    binaries = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3])
    )
    if not binaries:
        raise PostgresqlMissing(str(PostgresqlMissing.__doc__))
    return binaries[-1].parent


def _account(folder: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root and then uses the account of Debian's package."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("postgres")
    os.chown(folder, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _run(account: dict[str, Any], command: Sequence[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, **account)
    if result.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {result.stderr}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.05)
