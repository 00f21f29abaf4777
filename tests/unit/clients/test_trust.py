"""Errors about certificates name the setting that helps."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from bot.clients.trust import public_authorities, untrusted
from bot.model.errors import GreenroomError

FAILED = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)"


def test_untrusted_certificate_names_the_setting() -> None:
    assert untrusted("registry.example.com", "SSL_CERT_FILE", ssl.SSLError(FAILED)) == (
        "the certificate of registry.example.com is not trusted (self-signed certificate): "
        "if a private authority signed it, set SSL_CERT_FILE to a PEM file with that authority"
    )
    assert untrusted("registry.example.com", "SSL_CERT_FILE", OSError("refused")) == ""


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_invalid_file_of_authorities_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    file = tmp_path / "authorities.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(GreenroomError, match=r"SSL_CERT_FILE is invalid: .*authorities.pem"):
        public_authorities()
