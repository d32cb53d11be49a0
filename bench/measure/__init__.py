"""What the commands of bench/ share: allocators, measured runs, statistics, reports and plots."""
