"""Connections before they speak HTTP: sockets, who is at the other end, and TLS."""
