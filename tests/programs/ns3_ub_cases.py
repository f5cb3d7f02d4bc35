"""Every case in a checkout of ns-3-UB: its network read, written, read again; its tasks timed.

``make test-ns3-ub NS3_UB=/path/to/a checkout of ns-3-UB``, or of its folder ``scratch``; it is no
part of this project, so it is fetched for the run.
"""

import sys
from pathlib import Path

from collectives.workloads import ns3_ub, replay
from fabric import Fabric
from tests.support.checked_out import report_and_exit
from topology.errors import TriplaneError
from topology.formats.ns3_ub import is_case, ub_case
from topology.formats.ns3_ub_ways import other_ways
from topology.formats.ns3_ub_write import ub_network, write_network
from topology.units import US


def said_of(folder: Path, scratch: str) -> str:
    """A line on a case; raises `TriplaneError` if it is not the same after it was written."""
    network = ub_case(folder)
    write_network(f"{scratch}/{folder.name}", ub_network(network))
    if not ub_case(f"{scratch}/{folder.name}").equals(network):
        raise TriplaneError("read again, it is another network")
    tasks = ns3_ub.load(folder)
    took = replay(tasks, Fabric(network)).duration / US
    ways = "; its routes are not all the shortest ways" if other_ways(folder) else ""
    return f"{network.n_endpoints} devices, {len(tasks)} operations, {took:.6g} us{ways}"


def main() -> None:
    """Print a line a case; exit with 1 if one is wrong, or there is none."""
    folders = sorted(path.parent for path in Path(sys.argv[1]).rglob("node.csv"))
    report_and_exit([folder for folder in folders if is_case(folder)], "cases", said_of)


if __name__ == "__main__":
    main()
