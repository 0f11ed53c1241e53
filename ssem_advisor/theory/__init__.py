"""Every theorem of the project."""
