"""Generated values: found by two renderings, kept from what runs."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cluster.manifests import Source
from bot.cluster.render.clock import SHIFT, at_another_time
from bot.cluster.render.generated import Marked, mark
from bot.cluster.render.generated_values import fill
from bot.cluster.render.texts import PLACEHOLDER
from bot.model.errors import ManifestRefused
from bot.model.manifest import Bundle, Manifest, Wave
from bot.model.notes import Effect
from bot.model.release import Release

Object = dict[str, Any]
FIRST, SECOND, THIRD, FOURTH = "Qm7xk2LpW9", "Zt4bn8RcJ3", "Hs6vd1GyF5", "Nw3pj7KqM0"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def sources(*objects: Object) -> list[Source]:
    return [Source("chart/templates/all.yaml", manifest, {}, "Helm") for manifest in objects]


def secret(**data: str) -> Object:
    encoded = {key: b64(value) for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop"}, "data": encoded}


def config(**data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop"}, "data": data}


def job(name: str, **container: Any) -> Object:
    template = {"spec": {"containers": [{"name": "a", "image": "a", **container}]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": template},
    }


def marked(objects: Callable[[str], Sequence[Object]], first: str = FIRST, second: str = SECOND) -> Marked:
    return mark(sources(*objects(first)), sources(*objects(second)))


def filled(made: Marked, *live: Object) -> list[Manifest]:
    manifests = tuple(source.manifest for source in made.sources)
    bundle = Bundle(Release("c", {}, "d"), {Wave.CONFIGURATION: manifests}, generated=made.generated)
    current = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in live}
    return list(fill(bundle, current).bundle.waves[Wave.CONFIGURATION])


def test_equal_renderings_contain_nothing_generated() -> None:
    made = marked(lambda _: [secret(password="fixed"), config(a="b")])
    assert made.generated == {}
    assert made.notes == ()
    assert [source.manifest for source in made.sources] == [secret(password="fixed"), config(a="b")]


USES: dict[str, Callable[[str], Sequence[Object]]] = {
    "secret": lambda value: [secret(password=value)],
    "text of a secret": lambda value: [{**secret(), "stringData": {"password": value}}],
    "url": lambda value: [config(url=f"postgres://shop:{value}@db:5432/shop?sslmode=off")],
    "query": lambda value: [config(url=f"https://shop/?token={value}&user=a")],
    "secret and url": lambda value: [secret(password=value), config(url=f"redis://:{value}@cache")],
    "base64 in configuration": lambda value: [secret(password=value), config(password=b64(value))],
    "base64 of a pair": lambda value: [secret(password=value), config(auth=b64(f"shop:{value}"))],
    "pull secret": lambda value: [
        secret(config=f'{{"auths":{{"r":{{"password":"{value}","auth":"{b64("u:" + value)}"}}}}}}')
    ],
    "file": lambda value: [config(file=f"[db]\nuser = shop\npassword = {value}\nport = 5432\n")],
    "certificate": lambda value: [
        secret(crt=f"-----BEGIN X-----\n{value}AAAA\n{value[::-1]}==\n-----END X-----\n")
    ],
    "variable": lambda value: [job("migrate", env=[{"name": "PASSWORD", "value": value}])],
    "argument": lambda value: [job("migrate", args=["--password", f"--token={value}"])],
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_value_is_replaced_by_a_placeholder_and_kept(use: Callable[[str], Sequence[Object]]) -> None:
    made = marked(use)
    text = str([source.manifest for source in made.sources])
    assert FIRST not in text
    assert b64(FIRST) not in text
    assert {note.effect for note in made.notes} == {Effect.GENERATED}
    assert made.sources == marked(use, THIRD, FOURTH).sources  # the digest does not depend on values
    assert filled(made) == use(FIRST)
    live = [_live(manifest) for manifest in use(THIRD)]
    assert [_live(manifest) for manifest in filled(made, *live)] == live


def _live(manifest: Any) -> Any:
    """The object as the API server stores it."""
    texts = manifest.get("stringData")
    if not texts:
        return {key: value for key, value in manifest.items() if key != "stringData"}
    stored = {key: value for key, value in manifest.items() if key != "stringData"}
    return {**stored, "data": {**manifest["data"], **{key: b64(value) for key, value in texts.items()}}}


@pytest.mark.parametrize("form", [str, b64, lambda value: f"amqp://shop:{value}@queue"])
def test_new_field_gets_the_kept_value(form: Callable[[str], str]) -> None:
    made = marked(lambda value: [secret(password=value), config(added=form(value))])
    assert filled(made, secret(password=THIRD)) == [secret(password=THIRD), config(added=form(THIRD))]


def test_constant_part_follows_the_manifests() -> None:
    made = marked(lambda value: [secret(password=value), config(url=f"pg://u:{value}@new/db")])
    live = [secret(password=THIRD), config(url=f"pg://u:{THIRD}@old/db")]
    assert filled(made, *live)[1] == config(url=f"pg://u:{THIRD}@new/db")


def test_value_in_a_file_survives_other_lines() -> None:
    made = marked(lambda value: [config(file=f"added = 1\npassword = {value}\nport = 2\n")])
    live = config(file=f"password = {THIRD}\nport = 1\nold = 1\n")
    assert filled(made, live) == [config(file=f"added = 1\npassword = {THIRD}\nport = 2\n")]


def test_two_values_of_one_line_are_separate() -> None:
    def objects(value: str) -> Sequence[Object]:
        other = value[::-1]
        return [secret(a=value, b=other), config(both=f"{value}:{other}")]

    assert filled(marked(objects), *objects(THIRD)[:1]) == objects(THIRD)


def test_hidden_values_are_those_of_secrets() -> None:
    made = marked(lambda value: [secret(password=value), config(at=value[::-1])])
    bundle = Bundle(
        Release("c", {}, "d"),
        {Wave.CONFIGURATION: tuple(source.manifest for source in made.sources)},
        generated=made.generated,
    )
    assert fill(bundle, {}).secrets == {FIRST}
    assert FIRST not in repr(bundle)
    assert FIRST not in repr(fill(bundle, {}))
    assert FIRST not in repr(made)


@pytest.mark.parametrize("key", ["labels", "annotations"])
def test_label_becomes_a_digest_that_is_not_kept(key: str) -> None:
    made = marked(lambda value: [{**config(a="b"), "metadata": {"name": "shop", key: {"at": value}}}])
    [manifest] = filled(made)
    assert PLACEHOLDER.fullmatch(manifest["metadata"][key]["at"])
    assert made.generated == {}


@pytest.mark.parametrize(
    ("name", "expected"), [("migrate-{}", "migrate"), ("db-{}-up", "db-up"), ("{}", "job")]
)
def test_generated_name_of_a_job_is_left_to_its_content(name: str, expected: str) -> None:
    made = marked(lambda value: [job(name.format(value.lower()))])
    assert [source.manifest["metadata"]["name"] for source in made.sources] == [expected]


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (
            lambda value: [{**config(), "metadata": {"name": value}}],
            "ConfigMap/Qm7xk2LpW9: metadata.name is generated",
        ),
        (lambda value: [job("a", image=f"acme/{value}")], "cannot be generated when the chart is rendered"),
        (lambda value: [job("a", ports=[len(set(value)) + (value == FIRST)])], "is not a text"),
        (lambda value: [{**config(), "data": {value: "a"}}], "is not a text"),
        (lambda value: [config()] * (1 + (value == FIRST)), "is not in each rendering of the chart"),
        (lambda value: [config()] * (1 + (value == SECOND)), "is not in each rendering of the chart"),
        (lambda value: [{**secret(), "data": {"a": f"{value}!"}}], "is not valid base64"),
        (
            lambda value: [job("a", securityContext={"seccompProfile": {"type": value}})],
            "cannot be generated",
        ),
    ],
)
def test_other_generated_fields_are_refused(objects: Callable[[str], Sequence[Object]], message: str) -> None:
    with pytest.raises(ManifestRefused, match=message) as caught:
        marked(objects)
    assert "Set it in the values of the chart." in str(caught.value)


_VALUE = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=12, max_size=32)
_CONSTANT = st.text('ab:/@=\n {}"', max_size=6)


@given(
    renderings=st.lists(st.lists(_VALUE, min_size=3, max_size=3), min_size=5, max_size=5).filter(
        lambda lists: len({value for values in lists for value in values}) == 15
    ),
    template=st.lists(st.integers(0, 2) | _CONSTANT.map(lambda text: f"{text} "), min_size=1, max_size=8),
)
def test_any_text_is_marked_and_filled(renderings: list[list[str]], template: list[int | str]) -> None:
    def objects(values: list[str]) -> list[Object]:
        parts = [values[part] + " " if isinstance(part, int) else part for part in template]
        passwords = {f"password{index}": value for index, value in enumerate(values)}
        return [secret(**passwords, file="".join(parts)), config(file="".join(parts))]

    first, second, third, fourth, running = renderings
    made = mark(sources(*objects(first)), sources(*objects(second)))
    other = mark(sources(*objects(third)), sources(*objects(fourth)))
    assert [source.manifest for source in made.sources] == [source.manifest for source in other.sources]
    assert not any(value in str(made.sources) for value in first)
    assert filled(made) == objects(first)
    assert filled(made, *objects(running)) == objects(running)
    passwords = secret(**{f"password{index}": value for index, value in enumerate(running)})
    assert filled(made, passwords) == objects(running)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ now }}", "{{ (now | dateModify X) }}"),
        ('{{ now | date "2006" }}', '{{ (now | dateModify X) | date "2006" }}'),
        ("{{ now.Year }}", "{{ (now | dateModify X).Year }}"),
        ('{{ date "2006" (now) }}', '{{ date "2006" ((now | dateModify X)) }}'),
        ("{{- now -}}", "{{- (now | dateModify X) -}}"),
    ],
)
def test_clock_of_templates_is_shifted(template: str, expected: str) -> None:
    shifted = at_another_time({"a": template.encode()})
    assert shifted["a"].decode() == expected.replace("X", f'"{SHIFT}"')


@pytest.mark.parametrize(
    "text",
    [
        "now",
        "{{ .Values.now }}",
        "{{ $now }}",
        '{{ "now" }}',
        "{{ `now` }}",
        "{{ snow }}",
        "{{/* now */}}",
        "{{ nowhere }}",
    ],
)
def test_other_words_stay(text: str) -> None:
    assert at_another_time({"a": text.encode()}) == {"a": text.encode()}


@pytest.mark.parametrize(
    "template", ["now" + "{{" * 20_000, "{{ now " + '"\\' * 20_000 + "}}", "{{ now " + "/* " * 20_000 + "}}"]
)
def test_hostile_template_takes_little_time(template: str) -> None:
    started = time.process_time()
    at_another_time({"a": template.encode()})
    assert time.process_time() - started < 0.05


def test_many_beginnings_of_certificates_take_little_time() -> None:
    first, second = (sources(secret(a=f"-----BEGIN {name}-----" * 3000)) for name in ("AA", "BB"))
    started = time.process_time()
    mark(first, second)
    assert time.process_time() - started < 0.5


@given(st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1)))
def test_shift_changes_each_part_of_a_time(moment: datetime) -> None:
    hours, _, rest = SHIFT.partition("h")
    minutes, _, seconds = rest.rstrip("s").partition("m")
    later = moment + timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))
    for part in ("%Y", "%m", "%d", "%H", "%M", "%S", "%A", "%j"):
        assert moment.strftime(part) != later.strftime(part), part
