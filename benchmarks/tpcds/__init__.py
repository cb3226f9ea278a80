"""TPC-DS: data and queries."""
