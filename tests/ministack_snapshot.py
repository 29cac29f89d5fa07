"""MiniStack that keeps how it is at one moment, and is so again when it is asked: POST /kept, PUT /kept.

The shop's tables, queues and buckets take sixty requests to make, and nearly every test wants them new. Kept is what
MiniStack itself would write to files at its end: asked before there is anything in them, it has them empty again.

It is served by uvicorn with httptools and uvloop: an item is read or written for half of the CPU time that MiniStack's
own server takes (1.6 ms instead of 3.2), and most of what tests do is that.
"""

import copy
import os
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

SERVICES = ("dynamodb", "sqs", "s3", "ses", "ses_v2")
PATH = "/kept"


def main() -> None:
    """Run MiniStack until it is told to end."""
    import uvicorn
    from ministack import app as ministack

    serve = ministack.app
    services = {name: import_module(f"ministack.services.{name}") for name in SERVICES}
    kept: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await serve(scope, receive, send)
            return
        if scope["method"] == "POST":
            kept.update((name, service.get_state()) for name, service in services.items())
        else:
            ministack._reset_all_state()
            for name, state in kept.items():
                services[name].load_persisted_state(copy.deepcopy(state))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    uvicorn.run(
        app,
        host=os.environ["BIND_HOST"],
        port=int(os.environ["GATEWAY_PORT"]),
        http="httptools",
        loop="uvloop",
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
