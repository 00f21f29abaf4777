"""The verbs on objects and collections."""

import time
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bot.embedded.kubernetes.errors import (
    ApiError,
    bad_options,
    bad_request,
    method_not_allowed,
    required,
    unsupported,
    unsupported_media_type,
)
from bot.embedded.kubernetes.fields.patches import json_patch, merge_patch, strategic_patch
from bot.embedded.kubernetes.objects import Object, uid_of
from bot.embedded.kubernetes.registry.registry import Registry
from bot.embedded.kubernetes.registry.requests import Target, Write, read_deletion
from bot.embedded.kubernetes.registry.subresources import (
    bind,
    delete_all,
    scale_of,
    set_scale,
)
from bot.embedded.kubernetes.schema.types import ANY, type_of
from bot.embedded.kubernetes.web.bodies import answer, read
from bot.embedded.kubernetes.web.collections import Collections, is_true
from bot.embedded.kubernetes.web.views import Renderer, view_of

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
_ORPHANED_PODS = (
    "child pods are preserved by default when jobs are deleted; "
    "set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning"
)
_RETURNS_DELETED = frozenset(
    {"pods", "services", "serviceaccounts", "persistentvolumeclaims", "resourcequotas"}
)


@dataclass
class Resources:
    registry: Registry
    collections: Collections

    async def serve(self, verb: str, target: Target, request: Request) -> Response:
        match verb:
            case "get":
                return self._get(target, request)
            case "list":
                return self.collections.list(target, request.query_params, _renderer(target, request))
            case "watch":
                return self.collections.watch(target, request, _renderer(target, request))
        body = read(await request.body(), request.headers.get("content-type", ""))
        match verb:
            case "create":
                return self._create(target, body, request)
            case "update" if target.name:
                return self._update(target, body, request)
            case "patch" if target.name:
                return self._patch(target, body, request)
            case "delete":
                return self._delete(target, body, request)
            case "deletecollection":
                return self._delete_collection(target, body, request)
        raise method_not_allowed()

    def _get(self, target: Target, request: Request) -> Response:
        obj = self.registry.get(target)
        if target.subresource == "scale":
            return answer(scale_of(obj))
        return answer(_renderer(target, request).single(obj))

    def _create(self, target: Target, body: Any, request: Request) -> Response:
        write = _write(request)
        if target.subresource == "binding":
            bind(self.registry, target, body, write)
            return answer({**_success(), "code": 201}, 201)
        if target.name:
            raise method_not_allowed()
        obj = self.registry.create(target, body, write)
        return self._written(obj, target, request, 201)

    def _update(self, target: Target, body: Any, request: Request) -> Response:
        write = _write(request)
        if target.subresource == "scale":
            return answer(set_scale(self.registry, target, body, write))
        obj = self.registry.update(target, body, write)
        return self._written(obj, target, request)

    def _patch(self, target: Target, patch: Any, request: Request) -> Response:
        write = _write(request)
        media = request.headers.get("content-type", "").partition(";")[0].strip()
        if target.subresource == "scale":
            scale = _patched(media, scale_of(self.registry.get(target)), patch, target)
            return answer(set_scale(self.registry, target, scale, write))
        if media == APPLY_PATCH:
            if "fieldManager" not in request.query_params:
                raise bad_options("patch", required("fieldManager", "is required for apply patch"))
            obj, created = self.registry.apply(target, patch, write)
            return self._written(obj, target, request, 201 if created else 200)
        obj = self.registry.edit(target, lambda live: _patched(media, live, patch, target), write)
        return self._written(obj, target, request)

    def _delete(self, target: Target, body: Any, request: Request) -> Response:
        query = request.query_params
        options = read_deletion(
            body, query.get("gracePeriodSeconds", ""), query.get("propagationPolicy", ""), "dryRun" in query
        )
        if (target.resource.group, target.resource.plural, options.policy) == ("batch", "jobs", ""):
            request.state.warnings.append(_ORPHANED_PODS)
        obj, gone = self.registry.delete(target, options)
        if gone and target.resource.plural not in _RETURNS_DELETED:
            return answer(_success(target, obj))
        return answer(_renderer(target, request).single(obj))

    def _delete_collection(self, target: Target, body: Any, request: Request) -> Response:
        query = request.query_params
        options = read_deletion(
            body, query.get("gracePeriodSeconds", ""), query.get("propagationPolicy", ""), "dryRun" in query
        )
        doomed = self.collections.selected(target, query)
        delete_all(self.registry, target, doomed, options)
        metadata = {"resourceVersion": str(self.registry.store.version)}
        return answer(_renderer(target, request).many(doomed, metadata))

    def _written(self, obj: Object, target: Target, request: Request, code: int = 200) -> Response:
        return answer(_renderer(target, request).single(obj), code)


def _renderer(target: Target, request: Request) -> Renderer:
    view = view_of(request.headers.get("accept", "*/*"))
    include = request.query_params.get("includeObject", "Metadata")
    return Renderer(target.resource, view, time.time(), include)


def _write(request: Request) -> Write:
    query = request.query_params
    agent = request.headers.get("user-agent", "unknown").partition("/")[0]
    dry_run = query.get("dryRun")
    if dry_run not in {None, "", "All"}:
        verb = {"POST": "create", "PUT": "update"}.get(request.method, request.method)
        raise bad_options(verb, unsupported("dryRun", [dry_run], ["All"]))
    return Write(
        manager=(query.get("fieldManager") or agent)[:128],
        user=request.state.user,
        force=is_true(query.get("force")),
        dry_run=dry_run == "All",
        validation=query.get("fieldValidation", ""),
        warnings=request.state.warnings,
    )


def _patched(media: str, live: Object, patch: Any, target: Target) -> Any:
    if media == JSON_PATCH:
        return json_patch(live, patch)
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: a patch must be an object")
    if media == MERGE_PATCH:
        return merge_patch(live, patch)
    if media == STRATEGIC_PATCH and not target.resource.custom:
        kind = ANY if target.subresource == "scale" else type_of(target.resource)
        return strategic_patch(live, patch, kind)
    if target.resource.custom:
        raise unsupported_media_type([JSON_PATCH, MERGE_PATCH, APPLY_PATCH])
    raise ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def _success(target: Target | None = None, obj: Object | None = None) -> Object:
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if target is None or obj is None:
        return status
    details = {
        "name": target.name,
        "group": target.resource.group,
        "kind": target.resource.plural,
        "uid": uid_of(obj),
    }
    return {**status, "details": {name: value for name, value in details.items() if value}}
