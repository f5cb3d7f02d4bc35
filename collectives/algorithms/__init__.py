"""Collectives as schedules: one file each, their table, their choice, and what each must give."""
