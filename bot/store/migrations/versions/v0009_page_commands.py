"""Commands that users confirm on a page."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    for column in (
        sa.Column("by_id", sa.BigInteger),
        sa.Column("by_login", sa.Text),
        sa.Column("text", sa.Text),
        sa.Column("shown_at", sa.BigInteger),
    ):
        op.add_column("commands", column)
