"""Secrets from AWS Secrets Manager and from the Parameter Store of AWS Systems Manager.

boto3 runs in threads: it finds credentials by AWS's standard chain (IRSA, pod identity, variables, profiles).
The threads are its own: requests that hang must not occupy those that receive webhooks and look up hosts.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bot.model.errors import GreenroomError, Rejected, Unavailable
from bot.model.repository import Repository
from bot.model.secret import SecretValue
from bot.secrets.json_values import NOT_TEXT, field_of
from bot.secrets.provider_file import AwsSettings, Grants, may_read

_NAME = re.compile(r"([A-Za-z0-9/_+=.-]{1,512}?)(?:#([^#@\s]{1,256}))?(?:@([A-Za-z0-9_/.-]{1,64}))?")
_PARAMETER = re.compile(r"(/?[A-Za-z0-9/_.-]{1,1011})(?:@([0-9]{1,9}))?")
_ABSENT = {"ResourceNotFoundException", "ParameterNotFound", "ParameterVersionNotFound"}
_DELETED = "InvalidRequestException"
"""Error of Secrets Manager for a secret that is marked for deletion."""
_CREDENTIALS = {
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "UnrecognizedClientException",
}
"""AWS does not know who asks."""
_DECRYPTION = {"DecryptionFailure", "InvalidKeyId", "KMSAccessDeniedException"}
_UNAVAILABLE = {
    "InternalServiceError",
    "InternalServerError",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TooManyRequestsException",
}
"""Errors that pass. All others are answers about this request, which must not count as an outage."""
_ACCESS_DENIED = "AccessDeniedException"
_THREADS = 4
_VERSION_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[A-Za-z0-9-]{32,64}")


class AccessDenied(Rejected):
    """AWS knows Greenroom's role, which lacks a right."""


class AwsClient:
    """The two services. Calls raise Rejected or Unavailable."""

    def __init__(self, settings: AwsSettings) -> None:
        """Raises GreenroomError when boto3 is not installed."""
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
        except ImportError:
            raise GreenroomError(
                "the provider `aws` needs boto3: install greenroom[aws] beside Greenroom"
            ) from None
        limits = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "max_attempts": 2})
        options = {
            "region_name": settings.region,
            "endpoint_url": settings.endpoint_url,
            "config": limits,
        }
        self._used = [
            name
            for name, grants in (("secretsmanager", settings.secrets), ("ssm", settings.parameters))
            if grants
        ]
        try:
            self._services = {name: boto3.client(name, **options) for name in ("secretsmanager", "ssm")}
        except (BotoCoreError, ValueError) as error:
            raise GreenroomError(
                f"`aws` in GREENROOM_SECRETS_MANAGERS, or AWS's own variables, are invalid: {error}"
            ) from None
        self._threads = ThreadPoolExecutor(_THREADS, "aws")

    def close(self) -> None:
        """Does not wait for requests that hang."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(self) -> None:
        """Asks each service with grants for something absent. Raises Rejected or Unavailable.

        A role without a right on it has valid credentials: it may read just what is granted.
        """
        requests = {
            "secretsmanager": ("get_secret_value", {"SecretId": "greenroom-doctor"}),
            "ssm": ("get_parameter", {"Name": "greenroom-doctor"}),
        }
        for service in self._used:
            with contextlib.suppress(AccessDenied):
                await self.call(service, *requests[service])

    async def call(
        self, service: str, operation: str, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """The response; None when nothing is there."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._call, service, operation, parameters)

    def _call(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any] | None:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            ParamValidationError,
            PartialCredentialsError,
        )

        try:
            response: Mapping[str, Any] = getattr(self._services[service], operation)(**parameters)
            return response
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            problem = _problem(service, str(error.response.get("Error", {}).get("Code", "")), status)
        except (NoCredentialsError, PartialCredentialsError):
            problem = Rejected("Greenroom has no credentials for AWS: give its ServiceAccount a role")
        except ParamValidationError:
            problem = Rejected("AWS allows no such name or version: correct the reference")
        except BotoCoreError as error:
            problem = Unavailable(f"AWS ({service}) does not answer: {type(error).__name__}")
        except Exception:  # the library fails at a list in place of an object
            problem = _unusable(service)
        if problem is not None:
            raise problem
        return None


def _problem(service: str, code: str, status: int) -> GreenroomError | None:
    """What an error of AWS means; None when nothing is there."""
    if code in _ABSENT or (code == _DELETED and service == "secretsmanager"):
        return None
    if code == _ACCESS_DENIED:
        return AccessDenied("AWS does not let Greenroom read it: its role needs this right")
    if code in _CREDENTIALS:
        return Rejected(f"AWS refuses Greenroom's credentials ({code}): renew them, or give it a role")
    if code in _DECRYPTION:
        return Rejected(f"AWS cannot decrypt it ({code}): Greenroom's role needs `kms:Decrypt` on its key")
    if code in _UNAVAILABLE or status >= 500:
        return Unavailable(f"AWS ({service}) does not answer: {code}")
    if not code or code.isdecimal():
        return _unusable(service)
    return Rejected(f"AWS refuses the request ({code}): compare the reference with the name in AWS")


def _unusable(service: str) -> Unavailable:
    return Unavailable(
        f"AWS ({service}) gives no usable answer: is `aws.endpoint_url` in GREENROOM_SECRETS_MANAGERS right?"
    )


class AwsSecretsManager:
    """`aws-sm:NAME[#JSON_KEY][@VERSION]`: VERSION is a version id, or a stage such as AWSPREVIOUS.

    A stage moves to another version with each rotation, so only an id pins the value.
    """

    def __init__(self, client: AwsClient, grants: Grants) -> None:
        self._client = client
        self._grants = grants

    async def read(self, path: str, repository: Repository) -> SecretValue:
        match = _NAME.fullmatch(path)
        if match is None:
            raise Rejected(
                "the reference after `aws-sm:` must be NAME, NAME#JSON_KEY or NAME#JSON_KEY@VERSION"
            )
        name, key, version = match.groups()
        if not may_read(self._grants, name, repository):
            raise Rejected(_absent("secret", name, repository))
        pinned = version is not None and _VERSION_ID.fullmatch(version) is not None
        parameters = {"SecretId": name}
        if version:
            parameters["VersionId" if pinned else "VersionStage"] = version
        response = await self._client.call("secretsmanager", "get_secret_value", parameters)
        if response is None:
            raise Rejected(_absent("secret", name, repository, version))
        value = response.get("SecretString")
        if value is None and "SecretBinary" in response:
            raise Rejected(NOT_TEXT)
        if not isinstance(value, str):
            raise _unusable("secretsmanager")
        text = field_of(value, key) if key else value
        return SecretValue(text, str(response.get("VersionId") or ""), pinned)


class AwsParameters:
    """`aws-ssm:PATH[@VERSION]` reads a parameter, decrypted."""

    def __init__(self, client: AwsClient, grants: Grants) -> None:
        self._client = client
        self._grants = grants

    async def read(self, path: str, repository: Repository) -> SecretValue:
        match = _PARAMETER.fullmatch(path)
        if match is None:
            raise Rejected("the reference after `aws-ssm:` must be PATH or PATH@VERSION")
        name, version = match.groups()
        if not may_read(self._grants, name.lstrip("/"), repository):
            raise Rejected(_absent("parameter", name, repository))
        # AWS has no path without the first slash.
        absolute = f"/{name.lstrip('/')}" if "/" in name else name
        selected = f"{absolute}:{version}" if version else absolute
        parameters = {"Name": selected, "WithDecryption": True}
        response = await self._client.call("ssm", "get_parameter", parameters)
        if response is None:
            raise Rejected(_absent("parameter", name, repository, version))
        parameter = response.get("Parameter")
        if not isinstance(parameter, Mapping) or not isinstance(value := parameter.get("Value"), str):
            raise _unusable("ssm")
        return SecretValue(value, str(parameter.get("Version") or ""), version is not None)


def _absent(kind: str, name: str, repository: Repository, version: str | None = None) -> str:
    """One sentence for all causes, so that it does not show which secrets exist."""
    which = f" in version {version}" if version else ""
    return (
        f"AWS has no {kind} {name}{which}, or the operator's grants do not include it for "
        f"{repository.full_name}"
    )
