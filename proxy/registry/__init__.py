"""The distribution API, thin: each handler reads its request, asks the gate or the upstream, and writes the answer."""
