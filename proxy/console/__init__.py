"""The web console: pages for people, made on the server, on top of what the API and the commands use."""
