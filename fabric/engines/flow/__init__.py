"""The flow engine: transfers in flight share links max-min fairly."""
