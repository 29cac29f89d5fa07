"""Run the mailbox: `python -m infra.local.mailbox --smtp-port P --web-port P --state DIR`."""

import argparse
import sys
from pathlib import Path

from infra.local.mailbox import Mailbox
from infra.local.processes import stop_event


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.mailbox", description=__doc__)
    parser.add_argument("--smtp-port", type=int, default=0, help="SMTP port (default: any free port)")
    parser.add_argument("--web-port", type=int, default=0, help="web port (default: any free port)")
    parser.add_argument(
        "--state", type=Path, help="folder that keeps the emails (default: they are not kept)"
    )
    choice = parser.parse_args()
    ending = stop_event()
    try:
        with Mailbox(choice.state, choice.smtp_port, choice.web_port) as mailbox:
            print(f"mailbox: {mailbox.url} (SMTP {mailbox.smtp})", flush=True)
            ending.wait()
    except OSError as error:
        sys.exit(f"The mailbox cannot start: {error}")


if __name__ == "__main__":
    main()
