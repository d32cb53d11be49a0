"""Workloads drawn at random: a program that draws and runs one, and what is said of many."""
