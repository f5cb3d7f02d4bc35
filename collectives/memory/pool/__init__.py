"""The pool: blocks by key over the DRAM of all nodes, in clients, a controller and servers.

`collectives.memory.pool.core` decides, without input or output, where a block is, what is given up
for it, and when it may be read. `memory` holds the bytes, `hosted` the processes of one host, and
`pool` is what programs call.
"""
