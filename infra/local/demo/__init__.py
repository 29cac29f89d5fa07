"""The demo: what an empty local shop is filled with, so that there is something to look at."""
