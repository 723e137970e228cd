"""The registry behind the gate: one port, an adapter for any OCI registry and one for the embedded registry."""
