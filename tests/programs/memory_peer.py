"""A process with memory that others reach: says port and address, then what is in it when asked."""

import sys

from collectives.adapters.mooncake.engine import TransferEngine

SIZE = 4096

engine = TransferEngine()
if engine.initialize("127.0.0.1:0", "P2PHANDSHAKE", "tcp", ""):
    sys.exit("no engine")
address = engine.allocate_managed_buffer(SIZE)
engine.write_bytes_to_buffer(address, bytes(range(256)) * (SIZE // 256), SIZE)
sys.stdout.write(f"{engine.get_rpc_port()} {address}\n")
sys.stdout.flush()
for _ in sys.stdin:  # a line asks what is there
    notes = [[note.name, note.msg] for note in engine.get_notifies()]
    sys.stdout.write(f"{engine.read_bytes_from_buffer(address, 16).hex()} {notes}\n")
    sys.stdout.flush()
