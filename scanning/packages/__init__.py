"""Package catalogers, one per format."""
