"""Which tables there are: Alembic's migrations, run by the program itself."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bot.store.database import StoreUnusable


def upgrade(connection: Connection) -> None:
    """Brings the tables to this program's version, within the connection's transaction.

    Raises StoreUnusable when a newer program has already changed them.
    """
    config = Config()
    config.set_main_option("script_location", "bot.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and present not in known:
        raise StoreUnusable(
            f"The database is at version {present}, which this program does not know: a newer Greenroom has "
            "used it. Run that version or a newer one, or restore the backup made before the upgrade."
        )
    command.upgrade(config, "head")
