"""The microbenchmarks: executables on google-benchmark, and what runs, merges and draws them."""
