"""Names and phrases that the project avoids; `python -m tests.unit.project.language [PATH …]` lists them."""

from __future__ import annotations

import ast
import functools
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SEARCHED = (
    *("bot", "deploy", "docs", "tests", ".github", "app.yml"),
    *("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
)
# These hold the avoided words.
WORD_LISTS = {"tests/unit/project/language.py", "tests/unit/project/test_language.py"}
# Story tests are a term of the design.
MODULES = {"story"}
PROSE_SUFFIXES = {".md", ".html", ".jinja", ".txt", ".yaml", ".yml"}

# Parts of snake_case and CamelCase names that name nothing of this field.
_OLD_PARTS = """
  tell told tells telling say said says saying mend mends wish wishes story stories chapter chapters
  teller journey peers rooms desk town doors scenes moody sight witness happening board asking asker
  heard untold nobody whoever somebody
"""
NAME_PARTS = frozenset(_OLD_PARTS.split())
# Whole names that do not show what they hold. A function may be called like the command `/why`.
NAMES = frozenset(("each", "found", "known", "one", "it", "all", "what", "who", "why", "wanted", "posted"))

PHRASES = re.compile(
    r"""\b(
      told | tells? | telling | said | says? | saying
    | mend(?:s|ed|ing)?
    | somebody(?:'s)? | whoever | nobody
    | rooms | peers | desk | moody | teller
    | (?:has|have|had|having)\s+to(?!\s+do\b)
    | (?:take|takes|took|taken|taking)\s+(?:\w+\s+)?away
    | (?:bring|brings|brought|bringing)\s+(?:\w+\s+)?up
    | (?:put|puts|putting)\s+(?:in\s+place|right)
    | (?:is|are|was|were|be|been)\s+wanted
    | by\s+(?:itself|themselves)
    | (?:give|gives|gave|given|giving)\s+up
    | time\s+is\s+up
    | (?:carry|carries|carried|carrying)\s+(?:\w+\s+)?out
    | a\s+yes | whose\s+yes | the\s+yes
    | (?<!there\s)(?:is|are|was|were)\s+no(?=\s+)(?!\s+(?:longer|more|such|other)\b)
    | cannot\s+be\s+had
    | (?:is|are|was|were|be|been|until)\s+gone
    | is\s+not\s+there | stands\s+still | stand\s+still
    | (?:keeps?|kept)\s+(?:\w+\s+){0,3}away
    | (?:other|another)\s+\w+\s+than
    | intervals?\s+in\s+which
    | (?:[Tt]he|its|their)\s+present\s+(?!in\b|on\b|at\b)\w+
    | of\s+now | for\s+good | if\s+need\s+be
    | (?:after|for|within|at\s+least|by)\s+so\s+(?:many|long|much|few)(?!\s+that)
    | replac(?:e|es|ing)\s+(?:[^\s.;:]+\s+){1,6}?by\s+(?=their|its|an?\b|the\b|new\b|[A-Z])
    | (?:routes?|gateway|Services?|header)\s+(?:\w+\s+)?leads?
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One identifier or phrase, with the place where it stands."""

    path: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kind}: {self.text}"


def identifier_findings(path: str, source: str) -> Iterator[Finding]:
    """Yields names that `source` binds: modules, classes, functions, parameters, variables and fields."""
    for part in Path(path).with_suffix("").parts:
        if part not in MODULES and _is_old(part):
            yield Finding(path, 1, "module", part)
    for node in ast.walk(ast.parse(source)):
        for name in _bound_names(node):
            if _is_old(name) and not (name == "why" and isinstance(node, ast.FunctionDef)):
                yield Finding(path, getattr(node, "lineno", 1), "name", name)


def _bound_names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case (
            ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store())
        ):
            yield name
        case ast.alias(asname=str(name)):
            yield name
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name


@functools.cache
def _is_old(name: str) -> bool:
    if name.startswith("__"):
        return False
    bare = name.strip("_")
    parts = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", bare)
    return bare in NAMES or any(part.lower() in NAME_PARTS for part in parts)


def phrase_findings(path: str, source: str) -> Iterator[Finding]:
    """Yields phrases in docstrings, comments and strings with a space, or anywhere in other files."""
    if not PHRASES.search(source):  # tokenizing is slow, and most files have none
        return
    for start, text in _python_prose(source) if path.endswith(".py") else [(1, source)]:
        for match in PHRASES.finditer(text):
            line = start + text.count("\n", 0, match.start())
            yield Finding(path, line, "phrase", " ".join(match.group().split()))


def _python_prose(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        is_string = token.type == tokenize.STRING or token.type == getattr(tokenize, "FSTRING_MIDDLE", None)
        if token.type == tokenize.COMMENT or (is_string and " " in token.string):
            yield token.start[0], token.string


def findings(paths: Iterable[str] = SEARCHED) -> list[Finding]:
    """Returns every finding in the files below `paths`, which are relative to the root of the repository."""
    files = (path for path in _files(paths) if path.relative_to(ROOT).as_posix() not in WORD_LISTS)
    return sorted(finding for path in files for finding in _findings_in(path))


def _findings_in(path: Path) -> Iterator[Finding]:
    name, source = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from identifier_findings(name, source)
        yield from docstring_findings(name, source)
    yield from phrase_findings(name, source)


# A docstring that starts with one of these does not say what the thing is or does.
_ELLIPSES = re.compile(r"(?:Of|As|By|In|Also|With|Whose|Whom|How far|Since when)\b(?!-)")


def docstring_findings(path: str, source: str) -> Iterator[Finding]:
    """Yields docstrings, those of attributes too, whose first line is only a part of a sentence."""
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", ())
        for statement in body if isinstance(body, list) else ():
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))) if _ELLIPSES.match(text):
                    yield Finding(path, statement.lineno, "docstring", text.partition("\n")[0])


def _files(paths: Iterable[str]) -> Iterator[Path]:
    for path in (ROOT / relative for relative in paths):
        if path.is_file():
            yield path
        for file in sorted(path.rglob("*")) if path.is_dir() else ():
            if file.suffix == ".py" or file.suffix in PROSE_SUFFIXES:
                yield file


def main(arguments: list[str]) -> int:
    """Prints the findings and their number; the exit code is 1 when there are any."""
    results = findings(arguments or SEARCHED)
    for finding in results:
        print(finding)
    print(f"{len(results)} findings in {len({finding.path for finding in results})} files")
    return bool(results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
