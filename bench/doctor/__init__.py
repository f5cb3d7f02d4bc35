"""What this machine can do for Triplane, and what to install."""
