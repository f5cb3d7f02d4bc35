"""Where packets must differ from a fluid, and by how much: small scenes timed by both engines."""
