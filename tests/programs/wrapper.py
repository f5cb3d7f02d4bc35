"""Runs ``wrapper.py PROGRAM ARGUMENTS...`` as a profiler or a shell does: as its own child."""

import subprocess
import sys

if __name__ == "__main__":
    sys.exit(subprocess.run([sys.executable, *sys.argv[1:]], check=False).returncode)
