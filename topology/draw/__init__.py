"""Pictures of a topology: figures for papers, and one self-contained interactive page."""
