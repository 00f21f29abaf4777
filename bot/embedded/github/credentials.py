"""The credentials of the App."""

import functools
import secrets
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)


@dataclass(frozen=True)
class AppCredentials:
    """The App's identity and secrets; `private_key` is a PEM."""

    app_id: int
    slug: str
    client_id: str
    client_secret: str = field(repr=False)
    private_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)

    @property
    def public_key(self) -> str:
        return _public_key(self.private_key)


@functools.cache
def _public_key(private_key: str) -> str:
    key = load_pem_private_key(private_key.encode(), password=None)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@functools.cache
def _private_key(slug: str) -> str:
    """Cached, because making a key is slow: equally named Apps of one process share it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def new_credentials(slug: str) -> AppCredentials:
    """A new App. Ids differ from one to the next, because clients cache tokens by them."""
    return AppCredentials(
        app_id=100_000 + secrets.randbelow(900_000),
        slug=slug,
        client_id=f"Iv1.{secrets.token_hex(8)}",
        client_secret=secrets.token_hex(20),
        private_key=_private_key(slug),
        webhook_secret=secrets.token_hex(20),
    )
