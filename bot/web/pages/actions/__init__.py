"""Buttons: a user confirms a command on a page, and it is handled as if it were in a comment."""
