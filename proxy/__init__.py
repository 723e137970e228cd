"""The top floor: sockets, clock and processes; the faces of the gate and its use cases."""
