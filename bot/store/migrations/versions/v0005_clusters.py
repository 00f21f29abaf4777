"""The cluster of each environment. Existing ones are on the only cluster that there was."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("environments", sa.Column("cluster", sa.Text, nullable=False, server_default="default"))
