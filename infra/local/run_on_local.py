"""Run a command on the data of the local shop: `python -m infra.local.run_on_local COMMAND …`.

While `make run` is running, the command uses its tables and buckets; otherwise the local cloud is started for the
command, and its changes are there at the next `make run`.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from infra.local.app_server import ROOT
from infra.local.local_cloud import LocalCloud, without_aws_settings
from infra.local.processes import ProcessFailed
from infra.local.state_dir import PUBLISHED, State, StateHeld
from infra.local.supervisor import Ports, shop_environment


@contextmanager
def local_shop(state: State, given: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Connect to the local shop's data; yield the environment for it. Raises ProcessFailed."""
    try:
        with state.held():
            ports = Ports(given, shop_runs=False)
            with LocalCloud(state.cloud, ports.aws, log=state.logs / "cloud.log") as cloud:
                environment = shop_environment(given, ports, cloud)
                # A process of its own, because chalicelib reads the environment once.
                setup = [sys.executable, "-m", "infra.local.create_resources"]
                if subprocess.run(setup, env=environment, cwd=ROOT, check=False).returncode:
                    raise ProcessFailed("The local cloud could not be set up.")
                yield environment
    except StateHeld:
        # The running shop has defaults for what it was not given; a command must use the same.
        ours = {name: value for name, value in without_aws_settings(given).items() if name not in PUBLISHED}
        yield ours | state.published()


def run(command: Sequence[str], state: State, given: Mapping[str, str]) -> int:
    """Run a command on the local shop's data; return its exit status."""
    with local_shop(state, given) as environment:
        return subprocess.run(command, env=environment, check=False).returncode


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.run_on_local", description=__doc__)
    parser.add_argument("--state", type=Path, default=ROOT / ".local", help="the folder for all data")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    choice = parser.parse_args()
    if not choice.command:
        parser.error("no command to run")
    try:
        return run(choice.command, State(choice.state), os.environ)
    except (ProcessFailed, OSError) as failure:
        print(failure, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
