"""Attempts of environments, with the events and logs of failures."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("environment", sa.Text, primary_key=True),
        sa.Column("started_at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("failure", sa.Text),
    )
    op.create_index("attempts_by_time", "attempts", ["updated_at"])
