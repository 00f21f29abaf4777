"""Reading the bodies of requests and writing those of answers."""

from typing import Any

import msgspec
import yaml
from starlette.responses import Response

from bot.embedded.kubernetes.errors import ApiError, bad_request, unsupported_media_type

_ACCEPTED = ["application/json", "application/yaml"]
_LIMIT = 3 * 1024 * 1024
_encoder = msgspec.json.Encoder()


class _Loader(yaml.SafeLoader):
    """YAML with the types of JSON only: a date stays text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def encode(value: Any) -> bytes:
    return _encoder.encode(value)


def answer(value: Any, code: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(encode(value), code, headers, "application/json")


def failure(error: ApiError) -> Response:
    headers = {"Retry-After": "1"} if error.code in {429, 504} else None
    return answer(error.as_json(), error.code, headers)


def read(body: bytes, content_type: str) -> Any:
    """The JSON or YAML of a request; None where it is empty."""
    if len(body) > _LIMIT:
        raise ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {_LIMIT}")
    if not body:
        return None
    media = content_type.partition(";")[0].strip().lower()
    if media.endswith("yaml"):
        return _read_yaml(body)
    if media and not media.endswith("json"):
        raise unsupported_media_type(_ACCEPTED)
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_request(f"the object provided is unrecognized: {error}") from None


def _read_yaml(body: bytes) -> Any:
    try:
        if body.lstrip()[:1] == b"{":
            return msgspec.json.decode(body)
    except msgspec.DecodeError:
        pass
    try:
        return _with_text_keys(yaml.load(body, _Loader))  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise bad_request(f"error encoding patch: yaml: {' '.join(str(error).split())}") from None


def _with_text_keys(value: Any) -> Any:
    """YAML reads `yes:` as a boolean key; JSON knows text only."""
    if isinstance(value, dict):
        return {_key(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list) else value


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
