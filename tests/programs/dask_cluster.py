"""A dask cluster of so many worker processes, until standard input ends.

Prints a line: the scheduler's address, and the process number of each worker.
"""

import sys

from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(
        n_workers=int(sys.argv[1]), threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        pids = [worker.process.pid for worker in cluster.workers.values()]
        sys.stdout.write(f"{cluster.scheduler_address} {' '.join(map(str, pids))}\n")
        sys.stdout.flush()
        sys.stdin.read()
