"""What can be proved of a topology from its links alone."""
