"""A region of AWS on this machine that runs packaged functions, and nothing but them."""

import os
import sys
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from infra.local.api_gateway import Response
from infra.local.local_cloud import REGION, LocalCloud
from infra.local.processes import HOST
from tests.packaging import bare_python

CLIENT = Config(connect_timeout=2, read_timeout=60, retries={"total_max_attempts": 1})
REQUEST_SECONDS = 60
LAUNCHER = Path(__file__).with_name("ministack_region.py")


class Region(LocalCloud):
    """MiniStack, whose functions see the environment that the template gives them, and neither ours nor our modules."""

    def __init__(self, folder: Path) -> None:
        """Run functions in a folder."""
        super().__init__(log=folder / "cloud.log")
        self._python = folder / "python"

    def start(self) -> None:
        """Start it with a Python for functions: no site-packages, no variables of Python's, no current folder."""
        # Not the virtual environment's: it would bring what the package may lack.
        self._python.write_text(f'#!/bin/sh\nexec "{bare_python()}" -I -S "$@"\n', encoding="utf-8")
        self._python.chmod(0o755)
        super().start()

    def client(self, service: str) -> Any:
        """Return an operator's client of a service."""
        return boto3.client(  # type: ignore[call-overload]  # its names are literals
            service,
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=CLIENT,
        )

    def send(self, method: str, path: str, headers: Message, body: bytes) -> Response:
        """Send a request to whatever the region serves by its path or its Host."""
        connection = HTTPConnection(HOST, self.port, timeout=REQUEST_SECONDS)
        try:
            connection.request(method, path, body or None, dict(headers.items()))
            response = connection.getresponse()
            return Response(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def _command(self) -> list[str]:
        return [sys.executable, "-P", str(LAUNCHER), str(self._python)]

    def _inherited(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
