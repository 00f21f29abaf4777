"""Path parameters of pages: only what a database can hold; other addresses are not found."""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor

REPOSITORY = "{repository:id}"
NAME = "{name:name}"


class _Id(Convertor[int]):
    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


class _Name(Convertor[str]):
    """Name of a stage or demo, or the number of a pull request."""

    regex = "[a-z0-9-]{1,63}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("id", _Id())
register_url_convertor("name", _Name())
