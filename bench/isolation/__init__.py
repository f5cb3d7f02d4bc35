"""What classes keep from an operation that shares its links with a stream."""
