"""``bench faults``: what every single failure of a kind costs, and what that makes of a year."""
