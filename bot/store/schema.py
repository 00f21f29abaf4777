"""Schema migrations: Alembic, run by the program."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bot.store.database import StoreUnusable


def upgrade(connection: Connection) -> None:
    """Upgrades the tables to this program's version, within the connection's transaction.

    Raises StoreUnusable when a newer version has already changed them.
    """
    config = Config()
    config.set_main_option("script_location", "bot.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    revisions = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and present not in revisions:
        raise StoreUnusable(
            f"The database has schema {present}, which a newer Greenroom created. Run that version or a "
            "newer one, or restore the backup from before the upgrade."
        )
    command.upgrade(config, "head")
