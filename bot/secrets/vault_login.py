"""The credentials with which Greenroom logs in to Vault."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bot.model.errors import Rejected
from bot.secrets.provider_file import VaultLogin


def credentials_of(login: VaultLogin) -> tuple[str, Mapping[str, str]]:
    """Mount of the auth method, and the body of its login."""
    if login.kubernetes is not None:
        way = login.kubernetes
        return way.mount, {"role": way.role, "jwt": content_of(way.token_file)}
    assert login.approle is not None, "the settings have exactly one way"
    secret = content_of(login.approle.secret_id_file)
    return login.approle.mount, {"role_id": login.approle.role_id, "secret_id": secret}


def content_of(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Rejected(f"Greenroom's credential for Vault, {path}, cannot be read: {error}") from None
