"""Fuzz every route at length: `python -m tests.security [REQUESTS]`, 10,000 where nothing is said.

FUZZ_SEED repeats a run: each prints its own.
"""

import os
import sys
from pathlib import Path

import pytest

MANY = "10000"


def main() -> int:
    """Run the fuzz test with many requests; return pytest's status."""
    os.environ["FUZZ_REQUESTS"] = sys.argv[1] if len(sys.argv) > 1 else MANY
    test = Path(__file__).with_name("test_fuzz.py")
    return int(pytest.main(["-q", "-x", "-s", "-p", "no:xdist", "-k", "whatever_is_sent", str(test)]))


if __name__ == "__main__":
    sys.exit(main())
