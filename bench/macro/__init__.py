"""The macro workloads: C programs that stand for kinds of programs, and the table of them."""
