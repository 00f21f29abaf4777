"""The credentials of the App."""

import secrets
from dataclasses import dataclass, field
from functools import cached_property

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

    @cached_property
    def public_key(self) -> str:
        key = load_pem_private_key(self.private_key.encode(), password=None)
        return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def new_credentials(slug: str) -> AppCredentials:
    """A new App. Ids differ from one to the next, because clients cache tokens by them."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return AppCredentials(
        app_id=100_000 + secrets.randbelow(900_000),
        slug=slug,
        client_id=f"Iv1.{secrets.token_hex(8)}",
        client_secret=secrets.token_hex(20),
        private_key=pem.decode(),
        webhook_secret=secrets.token_hex(20),
    )
