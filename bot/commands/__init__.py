"""Slash commands in the comments of a pull request: grammar, rights, and what each of them asks for."""
