"""What the person who starts the program can put right."""

from __future__ import annotations

from bot.model.errors import GreenroomError


class StoreUnusable(GreenroomError):
    """The database cannot be opened or is not fit for this program; the message says what to do."""
