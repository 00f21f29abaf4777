"""Names, labels and annotations."""

import re
from collections.abc import Iterable, Iterator

from bot.embedded.kubernetes.errors import Cause, required, wrong
from bot.embedded.kubernetes.objects import Object, table
from bot.embedded.kubernetes.resources import Resource

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_ANNOTATIONS_LIMIT = 256 * 1024

_ENDS = "and must start and end with an alphanumeric character"
LABEL_WORDS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    f"{_ENDS} (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_WORDS = (
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ENDS} "
    "(e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_KEY_WORDS = (
    f"name part must consist of alphanumeric characters, '-', '_' or '.', {_ENDS} "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', "
    "regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    f"{_ENDS} (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def _judge(text: str, pattern: re.Pattern[str], words: str, limit: int) -> Iterator[str]:
    if len(text) > limit:
        yield f"must be no more than {limit} characters"
    if not pattern.fullmatch(text):
        yield words


def label_faults(text: str) -> Iterator[str]:
    """Violations of the syntax of an RFC 1123 label."""
    return _judge(text, _LABEL, LABEL_WORDS, 63)


def subdomain_faults(text: str) -> Iterator[str]:
    return _judge(text, _SUBDOMAIN, _SUBDOMAIN_WORDS, 253)


def _name_faults(resource: Resource, name: str) -> Iterable[str]:
    if resource.group == "rbac.authorization.k8s.io":
        return ["may not contain '/'"] if "/" in name else []
    if resource.plural == "namespaces":
        return ["must not contain dots"] if "." in name else label_faults(name)
    if resource.plural == "services":
        return _judge(name, _LABEL, LABEL_WORDS, 63)
    return subdomain_faults(name)


def qualified_name_faults(key: str) -> Iterator[str]:
    """Violations of the syntax of a label key, `prefix/name`."""
    prefix, slash, name = key.rpartition("/")
    if slash and not prefix:
        yield "prefix part must be non-empty"
    if slash and prefix:
        for fault in subdomain_faults(prefix):
            yield f"prefix part {fault}"
    if not name:
        yield "name part must be non-empty"
    if len(name) > 63:
        yield "name part must be no more than 63 characters"
    if not _QUALIFIED.fullmatch(name):
        yield _KEY_WORDS


def check_labels(labels: Object, path: str) -> Iterator[Cause]:
    for key, value in labels.items():
        for fault in qualified_name_faults(key):
            yield wrong(path, key, fault)
        for fault in _judge(value, _VALUE, _VALUE_WORDS, 63):
            yield wrong(path, value, fault)


def check_metadata(resource: Resource, obj: Object) -> Iterator[Cause]:
    metadata = obj["metadata"]
    name = metadata.get("name", "")
    if not name:
        yield required("metadata.name", "name or generateName is required")
    for fault in _name_faults(resource, name) if name else ():
        yield wrong("metadata.name", name, fault)
    yield from check_labels(table(metadata, "labels"), "metadata.labels")
    annotations = table(metadata, "annotations")
    for key in annotations:
        for fault in qualified_name_faults(key.lower()):
            yield wrong("metadata.annotations", key, fault)
    if (
        sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
        > _ANNOTATIONS_LIMIT
    ):
        words = f"may not be more than {_ANNOTATIONS_LIMIT} bytes"
        yield Cause("FieldValueTooLong", f"Too long: {words}", "metadata.annotations")
    yield from _check_owners(metadata)
    for finalizer in metadata.get("finalizers") or []:
        for fault in qualified_name_faults(finalizer):
            yield wrong("metadata.finalizers", finalizer, fault)


def _check_owners(metadata: Object) -> Iterator[Cause]:
    for index, owner in enumerate(metadata.get("ownerReferences") or []):
        for name in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(name):
                yield required(f"metadata.ownerReferences[{index}].{name}", "must not be empty")
    controllers = [owner for owner in metadata.get("ownerReferences") or [] if owner.get("controller")]
    if len(controllers) > 1:
        words = 'Only one reference can have Controller set to true. Found "true" in references for '
        message = " and ".join(
            f"{owner.get('kind', '')}/{owner.get('name', '')}" for owner in controllers[:2]
        )
        yield wrong("metadata.ownerReferences", metadata["ownerReferences"], words + message)
