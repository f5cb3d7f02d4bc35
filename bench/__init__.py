"""How fast it is: the command line and the benchmarks. The only package that prints."""
