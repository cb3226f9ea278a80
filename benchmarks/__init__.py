"""The TPC-DS harness: plain and reuse side by side, every result checked."""
