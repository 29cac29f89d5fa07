"""The demo data of an empty local shop."""
