"""The layer reader: compressed bytes in, facts out, every byte accounted for."""
