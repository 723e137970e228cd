"""How the gate is doing: logs, metrics, and whether it is alive and ready."""
