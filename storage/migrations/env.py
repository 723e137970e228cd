"""What Alembic runs to migrate: on the connection it is given, inside that connection's transaction."""

from alembic import context

from storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite has it, now that the transaction is begun by us
)
context.run_migrations()
