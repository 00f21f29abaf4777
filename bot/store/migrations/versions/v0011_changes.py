"""Finds the environments that changed last."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_index("environments_by_change", "environments", ["updated_at"])
