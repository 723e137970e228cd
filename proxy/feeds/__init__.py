"""Advisory feeds: from OSV archives, local or fetched, to a snapshot in force."""
