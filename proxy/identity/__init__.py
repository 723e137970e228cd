"""Who is asking, and what they may do: tokens, the Docker token protocol, roles, and the brake on guessing."""
