"""The vocabulary of the OCI image and distribution specifications, parsed once into values that cannot be wrong."""
