"""What the API server answers when it refuses."""

import json


class ApiError(Exception):
    """The API server refused: HTTP `status`, Kubernetes' `reason` (`AlreadyExists`) and its `message`."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message

    @classmethod
    def of(cls, status: int, body: bytes) -> "ApiError":
        """Read a refusal; a body that is no Kubernetes `Status` (a proxy's page) is quoted in part."""
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            return cls(status, "Unknown", body[:200].decode(errors="replace"))
        return cls(status, str(answer.get("reason") or "Unknown"), str(answer.get("message") or ""))

    @property
    def not_found(self) -> bool:
        return self.status == 404

    @property
    def exists(self) -> bool:
        """A create met an object of that name."""
        return self.status == 409 and self.reason == "AlreadyExists"

    @property
    def conflict(self) -> bool:
        """Somebody else wrote the object first (or owns the field): read it again."""
        return self.status == 409 and self.reason != "AlreadyExists"

    @property
    def gone(self) -> bool:
        """The resource version is too old to watch from: list again."""
        return self.status == 410
