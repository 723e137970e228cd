"""Everything that must survive a restart: the database, blobs by digest, and advisory snapshots."""
