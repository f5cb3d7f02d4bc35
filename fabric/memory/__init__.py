"""Memory that ranks register for others: how it is made and reached, and what words of it do."""
