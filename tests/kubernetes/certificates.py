"""The certificates of a throw-away control plane: one authority, valid for a day."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Authority:
    """Signs server and client certificates; every file goes into `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "greenroom test authority")])
        builder = self._builder(self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
        self.certificate = self._write("authority.crt", _pem(builder.sign(self._key, hashes.SHA256())))

    def server(self, name: str, *hosts: str) -> tuple[Path, Path]:
        """A certificate for loopback and these hosts, and its key."""
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        names = x509.SubjectAlternativeName(
            [address, *(x509.DNSName(host) for host in ("localhost", *hosts))]
        )
        return self._leaf(name, x509.NameAttribute(NameOID.COMMON_NAME, name), None, names)

    def client(self, user: str, group: str) -> tuple[Path, Path]:
        """A certificate that makes its holder `user` in `group`, and its key."""
        common = x509.NameAttribute(NameOID.COMMON_NAME, user)
        return self._leaf(user, common, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group), None)

    def signing_key(self, name: str) -> Path:
        """A key that signs service account tokens."""
        return self._write(f"{name}.key", _private(ec.generate_private_key(ec.SECP256R1())))

    def _leaf(
        self,
        name: str,
        common: x509.NameAttribute[str],
        group: x509.NameAttribute[str] | None,
        names: x509.SubjectAlternativeName | None,
    ) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([group, common] if group else [common]), key.public_key())
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if names:
            builder = builder.add_extension(names, critical=False)
        certificate = self._write(f"{name}.crt", _pem(builder.sign(self._key, hashes.SHA256())))
        return certificate, self._write(f"{name}.key", _private(key))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + timedelta(days=1))

    def _write(self, name: str, content: bytes) -> Path:
        path = self._folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)
        return path


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
