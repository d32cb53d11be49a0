"""The memory workloads: C programs that free most of what they had, and the table of them."""
