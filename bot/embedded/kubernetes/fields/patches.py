"""The patches that are not applies: JSON patch, merge patch and strategic merge patch."""

from typing import Any

from bot.embedded.kubernetes.errors import ApiError, bad_request
from bot.embedded.kubernetes.objects import Object, clone
from bot.embedded.kubernetes.schema.types import Type

_DIRECTIVE, _RETAIN = "$patch", "$retainKeys"
_DELETE_FROM, _ORDER = "$deleteFromPrimitiveList/", "$setElementOrder/"


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged: Object = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def json_patch(target: Any, operations: Any) -> Any:
    """RFC 6902; a 422 where an operation does not fit the object."""
    if not isinstance(operations, list):
        words = "json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        raise bad_request(f"error decoding patch: {words}")
    document = clone(target)
    for operation in operations:
        try:
            document = _operate(document, operation)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            message = "the server rejected our request due to an error in our request"
            raise ApiError(422, "Invalid", message, {}) from error
    return document


def _operate(document: Any, operation: Object) -> Any:
    name, path = operation["op"], _pointer(operation["path"])
    match name:
        case "add":
            return _add(document, path, operation["value"])
        case "remove":
            return _remove(document, path)[0]
        case "replace":
            _find(document, path)
            return _add(_remove(document, path)[0], path, operation["value"]) if path else operation["value"]
        case "test":
            if _find(document, path) != operation.get("value"):
                raise ValueError("test failed")
            return document
        case "copy":
            return _add(document, path, clone(_find(document, _pointer(operation["from"]))))
        case "move":
            document, value = _remove(document, _pointer(operation["from"]))
            return _add(document, path, value)
    raise ValueError(f"unexpected operation {name!r}")


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise ValueError(f"path {text!r} does not start with a slash")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _find(document: Any, path: list[str]) -> Any:
    for part in path:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _find(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        index = len(parent) if last == "-" else int(last)
        if not 0 <= index <= len(parent):
            raise IndexError("index is out of bounds")
        parent.insert(index, value)
    else:
        parent[last] = value
    return document


def _remove(document: Any, path: list[str]) -> tuple[Any, Any]:
    parent, last = _find(document, path[:-1]), path[-1]
    return document, parent.pop(int(last)) if isinstance(parent, list) else parent.pop(last)


def strategic_patch(target: Any, patch: Any, kind: Type) -> Any:
    """Kubernetes' own merge: lists with a merge key are merged by it; `$patch` directives are obeyed."""
    try:
        return _merged(target, patch, kind)
    except (AttributeError, TypeError) as error:
        raise bad_request(f"invalid strategic merge patch format: {error}") from None


def _merged(target: Any, patch: Any, kind: Type) -> Any:
    if not isinstance(patch, dict):
        return patch
    directive = patch.get(_DIRECTIVE)
    if directive == "delete":
        return None
    if directive == "replace":
        return {name: value for name, value in patch.items() if name != _DIRECTIVE}
    merged: Object = dict(target) if isinstance(target, dict) else {}
    if _RETAIN in patch:
        merged = {name: value for name, value in merged.items() if name in patch[_RETAIN]}
    orders = {name.removeprefix(_ORDER): value for name, value in patch.items() if name.startswith(_ORDER)}
    for name, value in patch.items():
        if name.startswith(_DELETE_FROM):
            field = name.removeprefix(_DELETE_FROM)
            merged[field] = [item for item in merged.get(field, []) if item not in value]
        elif not name.startswith("$"):
            _patch_field(merged, name, value, kind.child(name))
    for name, order in orders.items():
        if isinstance(merged.get(name), list):
            before = target.get(name) if isinstance(target, dict) else None
            merged[name] = _ordered(merged[name], before or [], order, kind.child(name).merge_key)
    return merged


def _patch_field(merged: Object, name: str, value: Any, kind: Type) -> None:
    if value is None:
        merged.pop(name, None)
    elif isinstance(value, list) and "merge" in kind.patch_strategies:
        merged[name] = _patch_list(merged.get(name) or [], value, kind)
    elif isinstance(value, dict):
        content = _merged(merged.get(name), value, kind)
        if content is None:
            merged.pop(name, None)
        else:
            merged[name] = content
    else:
        merged[name] = value


def _patch_list(target: list[Any], patch: list[Any], kind: Type) -> list[Any]:
    key = kind.merge_key
    if not key:
        return target + [item for item in patch if item not in target]
    if any(isinstance(item, dict) and item.get(_DIRECTIVE) == "replace" for item in patch):
        return [item for item in patch if item.get(_DIRECTIVE) != "replace"]
    merged = list(target)
    for item in patch:
        if key not in item:
            raise ApiError(500, "", f"map: {_go_map(item)} does not contain declared merge key: {key}")
        index = next((i for i, old in enumerate(merged) if old.get(key) == item[key]), None)
        if item.get(_DIRECTIVE) == "delete":
            merged = [old for old in merged if old.get(key) != item[key]]
        elif index is None:
            merged.append(_merged({}, item, kind.item))
        else:
            merged[index] = _merged(merged[index], item, kind.item)
    return _ordered(merged, target, patch, key)


def _go_map(value: Any) -> str:
    """A value as Go prints it."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_go_map(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(_go_map(item) for item in value) + "]"
    return str(value)


def _ordered(items: list[Any], live: list[Any], order: list[Any], key: str) -> list[Any]:
    """Items as a patch orders them; those it does not name keep their place before their live successors."""

    def name(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    requested, places = [name(entry) for entry in order], {name(entry): i for i, entry in enumerate(live)}
    named = sorted(
        (entry for entry in items if name(entry) in requested), key=lambda entry: requested.index(name(entry))
    )
    others = [entry for entry in items if name(entry) not in requested]
    result: list[Any] = []
    while named and others:
        first = places.get(name(named[0]), -1) < places.get(name(others[0]), -1)
        result.append((named if first else others).pop(0))
    return result + named + others
