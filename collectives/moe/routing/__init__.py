"""Which experts every token has chosen, and which rank hosts which expert."""
