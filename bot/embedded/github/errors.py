"""The one exception of the embedded GitHub."""

from collections.abc import Mapping, Sequence


class GitHubError(Exception):
    """Refused, as GitHub words it. Over REST it becomes the answer; in Python it reaches the caller."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: Sequence[Mapping[str, object]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = list(errors)
        self.headers = dict(headers or {})


def not_found() -> GitHubError:
    return GitHubError(404, "Not Found")


def invalid(resource: str, field: str, code: str, message: str | None = None) -> GitHubError:
    """422 Validation Failed with one entry."""
    error: dict[str, object] = {"resource": resource, "code": code, "field": field}
    if message is not None:
        error["message"] = message
    return GitHubError(422, "Validation Failed", [error])


def bad_request(message: str) -> GitHubError:
    """422 for a body that does not fit the schema."""
    return GitHubError(422, f"Invalid request.\n\n{message}")
