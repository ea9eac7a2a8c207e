"""What was seen: packets, calls, tables, and the directory that holds them. Pure."""
