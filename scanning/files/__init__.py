"""What single files tell: tools and secrets."""
