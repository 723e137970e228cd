"""`imagegate demo`: four small real images against a temporary gate, and what a client sees of each.

images     layers, configuration and manifest as bytes
contents   what the four images hold
signing    a key of the demo's own, and signatures as cosign makes them
client     a registry client that shows what it is told
gate       the temporary gate: policy, advisory, tokens
scenes     who does what to which image, and what must come of it
stage      prints each step, and remembers whether it came out as it must
play       all of it, from start to end
"""
