"""The three files rpm has kept its packages in, each read to the headers it holds.

Packages         Berkeley DB hash (rpm before 4.16)     scanning.packages.rpmdb.berkeley
Packages.db      ndb (SUSE)                             scanning.packages.rpmdb.ndb
rpmdb.sqlite     SQLite (rpm 4.16 and later)            scanning.packages.rpmdb.sqlite
a header         tags and values                        scanning.packages.rpmdb.header
"""
