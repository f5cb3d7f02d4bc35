"""Collectives as schedules: one a file, their table, their choice, and what each must give."""
