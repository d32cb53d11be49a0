"""Looks into the heap of a process that runs on loam, from outside, without its help."""
