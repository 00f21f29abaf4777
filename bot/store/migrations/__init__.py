"""Migrations: each file is one step, never changed once it was released."""
