"""What is known of the drift of stages and demos."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "drifts",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("repository_id", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("checked_at", sa.BigInteger),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_index("drifts_by_repository", "drifts", ["repository_id"])
