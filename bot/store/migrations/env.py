"""Run by Alembic; the caller of the upgrade owns the transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
