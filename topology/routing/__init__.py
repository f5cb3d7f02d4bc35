"""Which links carry what goes from one endpoint to another."""
