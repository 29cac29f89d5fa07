"""MiniStack that keeps how it is under a name, and is so again when it is asked: POST /kept/empty, PUT /kept/empty.

The shop's tables, queues and buckets take sixty requests to make, things to buy some more, and nearly every test wants
them new. Kept is what MiniStack itself would write to files at its end. Asked to be as it was kept, it refuses (409)
where it has been used since it was last brought to a kept state and `?unused` is asked for.

It is served by uvicorn with httptools and uvloop: an item is read or written for half of the CPU time that MiniStack's
own server takes (1.6 ms instead of 3.2), and most of what tests do is that.
"""

import os
import pickle
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

SERVICES = ("dynamodb", "sqs", "s3", "ses", "ses_v2")
PATH = "/kept/"


def main() -> None:
    """Run MiniStack until it is told to end."""
    import uvicorn
    from ministack import app as ministack

    serve = ministack.app
    services = {name: import_module(f"ministack.services.{name}") for name in SERVICES}
    kept: dict[str, bytes] = {}
    used = 0

    def keep(name: str) -> int:
        kept[name] = pickle.dumps({name: service.get_state() for name, service in services.items()})
        return 204

    def restore(name: str, *, unused: bool) -> int:
        if unused and used:
            return 409
        ministack._reset_all_state()
        for service, state in pickle.loads(kept[name]).items():  # noqa: S301 - what it wrote itself
            services[service].load_persisted_state(state)
        return 204

    async def app(scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        nonlocal used
        if scope["type"] != "http" or not scope["path"].startswith(PATH):
            used += 1
            await serve(scope, receive, send)
            return
        name = scope["path"].removeprefix(PATH)
        if scope["method"] == "POST":
            status = keep(name)
        else:
            status = restore(name, unused=scope["query_string"] == b"unused")
        used = used if status == 409 else 0
        await send({"type": "http.response.start", "status": status, "headers": []})
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
