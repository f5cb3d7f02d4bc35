"""Ranks of torch as forks of one process, so that torch is imported once and not at each of them.

    python torch_forks.py PROGRAM RANKS FOLDER PIPES [ARGUMENTS...]

imports the program, a file, and runs its ``main(rank, ranks, folder)`` in a process for each rank.
PIPES is JSON: for each rank the two file descriptors that become its standard input and output;
what it says on standard error is in FOLDER/errorsRANK. Says in the end, as JSON, how each has
ended: its exit code, or less than 0 for a signal.
"""

import json
import os
import runpy
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn


def become(rank: int, pipes: Sequence[tuple[int, int]], folder: Path) -> None:
    """Be that rank in this process, as far as standard input, output and error go."""
    ask, tell = pipes[rank]
    with (folder / f"errors{rank}").open("w") as errors:
        for number, descriptor in enumerate((ask, tell, errors.fileno())):
            os.dup2(descriptor, number)
    close(pipes)


def close(pipes: Sequence[tuple[int, int]]) -> None:
    """A pipe ends when nobody has it open any more."""
    for descriptor in {each for pair in pipes for each in pair}:
        os.close(descriptor)


def leave(run: Callable[[], object]) -> NoReturn:
    """End this process with what it has run; taking down all that was imported takes seconds."""
    code = 1
    try:
        run()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Import, fork, wait."""
    program, count, name, pipes = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    folder, given = Path(name), [(ask, tell) for ask, tell in json.loads(pipes)]
    sys.argv = [program, str(count), name, *sys.argv[5:]]
    run = runpy.run_path(program)["main"]
    ranks = []
    for rank in range(count):
        number = os.fork()
        if number == 0:
            become(rank, given, folder)
            leave(lambda rank=rank: run(rank, count, folder))
        ranks.append(number)
    close(given)
    codes = [os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) for number in ranks]
    leave(lambda: sys.stdout.write(json.dumps(codes)))


if __name__ == "__main__":
    main()
