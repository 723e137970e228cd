"""The lowest floor: what the operator told us (settings and policy), and the root of the error hierarchy."""
