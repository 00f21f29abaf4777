"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "deliveries",
        sa.Column("guid", sa.Text, primary_key=True),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("repository_id", sa.BigInteger),
        sa.Column("repository", sa.Text, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "repositories",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("installation_id", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
    )
    op.create_table(
        "environments",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("repository_id", sa.BigInteger, nullable=False),
        sa.Column("installation_id", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("repository", sa.Text, nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("observed_generation", sa.BigInteger, nullable=False),
        sa.Column("hinted_head", sa.Text),
        sa.Column("head_since", sa.BigInteger),
        sa.Column("hinted_open", sa.Boolean),
        sa.Column("desired_at", sa.BigInteger, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("admission", sa.Text, nullable=False),
        sa.Column("asked_at", sa.BigInteger),
        sa.Column("commit", sa.Text),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempt", sa.Text, nullable=False),
        sa.Column("wishes", sa.Text, nullable=False),
        sa.Column("receipt", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("environments_by_repository", "environments", ["repository_id"])
    op.create_index("environments_by_admission", "environments", ["admission"])
    op.create_index("environments_by_state", "environments", ["state", "expires_at"])
    op.create_table(
        "removals",
        sa.Column("installation_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("repository_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("noted_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "work",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("running", sa.Boolean, nullable=False),
        sa.Column("not_before", sa.BigInteger, nullable=False),
        sa.Column("settling_since", sa.BigInteger),
        sa.Column("settled_at", sa.BigInteger),
        sa.Column("again_at", sa.BigInteger),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("leased_until", sa.BigInteger),
        sa.Column("error", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("work_by_due", "work", ["running", "not_before"])
    tokens = op.create_table(
        "tokens",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("last", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(tokens, [{"id": 1, "last": 0}])
    op.create_table(
        "commands",
        sa.Column("comment_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("repository_id", sa.BigInteger, nullable=False),
        sa.Column("installation_id", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("repository", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("head", sa.Text),
        sa.Column("head_since", sa.BigInteger),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("answer", sa.Text),
        sa.Column("finished", sa.Boolean, nullable=False),
    )
    op.create_index("commands_by_pull_request", "commands", ["repository_id", "number"])
    op.create_table(
        "decisions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
    )
    op.create_index("decisions_by_environment", "decisions", ["environment", "id"])
    _promotions()


def _promotions() -> None:
    op.create_table(
        "releases",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("repository_id", sa.BigInteger, nullable=False),
        sa.Column("commit", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
    )
    op.create_index("releases_by_commit", "releases", ["repository_id", "commit"])
    op.create_table(
        "stages",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("repository_id", sa.BigInteger, nullable=False),
        sa.Column("held", sa.Boolean, nullable=False),
        sa.Column("locked_until", sa.BigInteger),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("stages_by_repository", "stages", ["repository_id"])
    op.create_table(
        "promotions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("repository_id", sa.BigInteger, nullable=False),
        sa.Column("number", sa.BigInteger),
        sa.Column("release", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.Column("moving", sa.Boolean, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("receipt", sa.Text, nullable=False),
        sa.Column("requested_at", sa.BigInteger, nullable=False),
    )
    op.create_index("promotions_by_repository", "promotions", ["repository_id", "requested_at"])
    op.create_index("promotions_by_state", "promotions", ["state", "since"])
    op.create_index("promotions_by_stage", "promotions", ["stage", "ended"])
    op.create_index(
        "promotions_moving",
        "promotions",
        ["stage"],
        unique=True,
        sqlite_where=sa.column("moving"),
        postgresql_where=sa.column("moving"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("repository_id", sa.BigInteger, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("promotion", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("after", sa.Text, nullable=False),
        sa.Column("token", sa.Text, nullable=False),
    )
    op.create_index("audit_by_repository", "audit", ["repository_id", "id"])
    asked = sa.column("token") != sa.literal_column("''")
    op.create_index("audit_by_token", "audit", ["token"], sqlite_where=asked, postgresql_where=asked)
