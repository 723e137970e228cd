"""Blobs by digest: one port, one adapter per place they can lie."""
