"""What benchmarks measure: the collectives, and the operations of expert parallelism."""
