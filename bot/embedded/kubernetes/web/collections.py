"""Lists in pages, and watches as streams."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from bot.embedded.kubernetes.errors import ApiError, bad_request
from bot.embedded.kubernetes.objects import Object, name_of, namespace_of
from bot.embedded.kubernetes.registry.requests import Target
from bot.embedded.kubernetes.storage.selectors import predicate
from bot.embedded.kubernetes.storage.store import Store
from bot.embedded.kubernetes.storage.watch import Change, Watch, WatchOptions
from bot.embedded.kubernetes.web.bodies import answer, encode
from bot.embedded.kubernetes.web.views import Renderer


def is_true(text: str | None) -> bool:
    """A boolean of a query, as Kubernetes reads it."""
    return text is not None and text.lower() not in {"false", "0"}


@dataclass
class Collections:
    store: Store
    watches: set[Watch]

    def selected(self, target: Target, query: QueryParams) -> list[Object]:
        matches = predicate(target.resource, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        return [
            obj
            for obj in self.store.select(target.resource, target.namespace)
            if matches is None or matches(obj)
        ]

    def list(self, target: Target, query: QueryParams, renderer: Renderer) -> Response:
        value = self.selected(target, query)
        metadata: Object = {"resourceVersion": str(self.store.version)}
        limit = _whole(query.get("limit"))
        if token := query.get("continue"):
            metadata["resourceVersion"], after = _read_token(token)
            value = [obj for obj in value if (namespace_of(obj), name_of(obj)) > after]
        if limit and len(value) > limit:
            last = value[limit - 1]
            metadata["continue"] = _token(metadata["resourceVersion"], last)
            if not query.get("labelSelector") and not query.get("fieldSelector"):
                metadata["remainingItemCount"] = len(value) - limit
            value = value[:limit]
        return answer(renderer.many(value, metadata))

    def watch(self, target: Target, request: Request, renderer: Renderer) -> Response:
        query = request.query_params
        fields = query.get("fieldSelector", "")
        if target.name:
            fields = f"metadata.name={target.name}" + (f",{fields}" if fields else "")
        version = query.get("resourceVersion", "")
        if version and not version.isdigit():
            reason = f'strconv.ParseUint: parsing "{version}": invalid syntax'
            raise ApiError(500, "", f'resourceVersion: Invalid value: "{version}": {reason}')
        options = WatchOptions(
            version=version,
            seconds=_whole(query.get("timeoutSeconds")) or 1800.0,
            bookmarks=is_true(query.get("allowWatchBookmarks")),
            initial_events=is_true(query.get("sendInitialEvents")),
        )
        matches = predicate(target.resource, query.get("labelSelector", ""), fields)
        try:
            watch = Watch(self.store, target.resource, target.namespace, matches, options)
        except ApiError as error:
            return StreamingResponse(_once(error), media_type="application/json")
        self.watches.add(watch)
        return StreamingResponse(self._stream(watch, renderer), media_type="application/json")

    async def _stream(self, watch: Watch, renderer: Renderer) -> AsyncIterator[bytes]:
        headed = True
        try:
            async for batch in watch.changes():
                lines = []
                for change in batch:
                    lines.append(_line(change, renderer, headed))
                    headed = False
                yield b"".join(lines)
        finally:
            self.watches.discard(watch)
            watch.close()

    def end(self) -> None:
        """Close every watch: the server stops."""
        for watch in list(self.watches):
            watch.end()


def _line(change: Change, renderer: Renderer, headed: bool) -> bytes:
    kind, obj = change
    rendered = obj if kind == "ERROR" else renderer.single(obj, headed)
    return encode({"type": kind, "object": rendered}) + b"\n"


async def _once(error: ApiError) -> AsyncIterator[bytes]:
    yield encode({"type": "ERROR", "object": error.as_json()}) + b"\n"


def _whole(text: str | None) -> int:
    if not text:
        return 0
    if not text.isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _token(version: str, last: Object) -> str:
    raw = msgspec.json.encode([version, namespace_of(last), name_of(last)])
    return base64.urlsafe_b64encode(raw).decode()


def _read_token(token: str) -> tuple[str, tuple[str, str]]:
    try:
        version, namespace, name = msgspec.json.decode(base64.urlsafe_b64decode(token))
    except (ValueError, msgspec.DecodeError):
        raise bad_request("continue key is not valid: it was not issued by this server") from None
    return version, (namespace, name)
