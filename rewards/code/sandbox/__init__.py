"""Runs a candidate program where it can do nothing but compute; knows of no test and no expected output."""
