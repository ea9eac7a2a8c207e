"""fourtuple: what ports, sockets and NATs do, proven on a real kernel and on the wire.

Each module beside this file is one lesson. Containers import this package too, so it imports nothing.
"""
