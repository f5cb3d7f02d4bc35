"""The transport over MPI, and what a process must know of the MPI that started it."""
