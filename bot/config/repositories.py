"""Lists of repositories in the operator's files."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from bot.config.fields import matching

Repositories = Annotated[
    tuple[
        Annotated[
            str,
            BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
            matching(
                r"\*|[a-z0-9-]+/([a-z0-9._-]+|\*)", "expected OWNER/NAME, OWNER/* or * for all repositories"
            ),
        ],
        ...,
    ],
    Field(max_length=1000),
]
