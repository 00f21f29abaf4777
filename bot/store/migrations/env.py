"""Alembic runs this file; the transaction belongs to whoever called for the upgrade."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
