"""The gate's own API, beside the registry's."""
