"""Settings for the doctor's checks."""

from __future__ import annotations

from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bot.settings import Settings


@cache
def _private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def doctor_settings(**more: Any) -> Settings:
    return Settings.model_validate(
        {
            "github_app_id": 1,
            "github_private_key": _private_key(),
            "webhook_secret": "secret",
            "public_url": "https://greenroom.example.com",
            "base_domain": "preview.example.com",
            "gateway": "gateways/public",
            **more,
        }
    )
