"""Layers are inspected in processes of their own, without credentials or network, while they stream through."""
