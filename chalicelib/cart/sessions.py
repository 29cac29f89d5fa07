"""The visitor's session: one cookie, one row, one owner. No cookie until the first item is added.

The cookie holds 128 random bits; the table knows only their SHA-256. The row has the cart's lines and any small
JSON value that a feature stores: `session["note"] = "hello"` writes only that key.
"""

import hashlib
import json
import re
from typing import Any

from chalice.app import Request
from pynamodb.exceptions import PutError, UpdateError

from chalicelib import clock, ids
from chalicelib.cart.models import Cart
from chalicelib.database.connection import is_condition_failure
from chalicelib.database.reads import get
from chalicelib.errors import SimultaneousChange
from chalicelib.shop_settings.store import Part, get_beside
from chalicelib.web import http_request
from chalicelib.web.responses import set_cookie_header

COOKIE = "session"
COUNT_COOKIE = "cart_count"
LIFETIME = 30 * 24 * 60 * 60
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
MAX_BYTES_PER_VALUE = 4096


def session_key(session_id: str) -> str:
    """Return the key of the row of a cookie's session ID."""
    return hashlib.sha256(session_id.encode()).hexdigest()


class Session:
    """A visitor's session. Its row may not exist yet: then `cart` is None, and the first write creates it."""

    def __init__(self, session_id: str | None, cart: Cart | None) -> None:
        # An ID is accepted only with an existing row, so that nobody can choose one (session fixation).
        self._id = session_id if cart is not None and session_id is not None else ids.new_id()
        self.cart = cart

    @property
    def key(self) -> str:
        """The key of this session's row, whether it exists or not."""
        return session_key(self._id)

    def __getitem__(self, name: str) -> Any:
        """Return the value stored under a name. Raises KeyError."""
        if self.cart is None:
            raise KeyError(name)
        return json.loads(self.cart.data.as_dict()[name])

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value stored under a name, or the default."""
        try:
            return self[name]
        except KeyError:
            return default

    def __contains__(self, name: str) -> bool:
        """Return whether a value is stored under a name."""
        return self.cart is not None and name in self.cart.data.as_dict()

    def __setitem__(self, name: str, value: Any) -> None:
        """Store a small JSON value; only this name is written. Raises ValueError for a bad name or a large value."""
        text = json.dumps(value, ensure_ascii=False)
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a name such as last_search")
        if len(text.encode()) > MAX_BYTES_PER_VALUE:
            raise ValueError(f"{name} is larger than {MAX_BYTES_PER_VALUE} bytes")
        if self.cart is None:
            self.create({}, {name: text})
            return
        try:
            path: Any = Cart.data[name]
            self.cart.update([path.set(text), Cart.expires.set(new_expiry())], condition=Cart.key.exists())
        except UpdateError as error:
            if not is_condition_failure(error):
                raise
            self.create({}, {name: text})  # the row expired in between

    def __delitem__(self, name: str) -> None:
        """Delete the value stored under a name. Raises KeyError."""
        if self.cart is None or name not in self:
            raise KeyError(name)
        try:
            path: Any = Cart.data[name]
            self.cart.update([path.remove()], condition=Cart.key.exists())
        except UpdateError as error:
            if not is_condition_failure(error):
                raise
            self.cart = None

    def create(self, lines: dict[str, Any], data: dict[str, str] | None = None) -> None:
        """Write the whole row, the first write of every session. Raises SimultaneousChange if the ID is taken."""
        cart = Cart(self.key, lines=lines, data=data or {}, version=1, expires=new_expiry())
        try:
            cart.save(condition=Cart.key.does_not_exist() | (Cart.expires <= clock.timestamp()))
        except PutError as error:
            if not is_condition_failure(error):
                raise
            # The row may be ours, if only the answer to an earlier attempt was lost; otherwise another request
            # has just created it.
            stored = get(Cart, self.key)
            if stored is None or stored.lines.as_dict() != lines:
                raise SimultaneousChange(
                    "Your cart was being changed at the same time. Please try again."
                ) from error
            cart = stored
        self.cart = cart

    @property
    def item_count(self) -> int:
        """Return how many units are in the cart."""
        if self.cart is None:
            return 0
        return sum(int(line["quantity"]) for line in self.cart.lines.as_dict().values())

    def quantity_of(self, sku: str) -> int:
        """Return how many units of a SKU are in the cart."""
        line = self.cart.lines.as_dict().get(sku) if self.cart else None
        return int(line["quantity"]) if line else 0

    def reserved_quantity(self, sku: str) -> int:
        """Return how many units of a SKU are reserved for the order that was placed from this cart."""
        return self.cart.reserved_quantity(sku) if self.cart else 0

    def cookies(self) -> list[str]:
        """Return the cookies of a response: the session's, and the count that the badge's script reads."""
        if self.cart is None:
            return expired_cookies()
        return [
            set_cookie_header(COOKIE, self._id, max_age=LIFETIME),
            set_cookie_header(COUNT_COOKIE, str(self.item_count), max_age=LIFETIME, script=True),
        ]


def new_expiry() -> int:
    """Return when a session that is used now expires, in seconds since 1970."""
    return clock.timestamp() + LIFETIME


def session_id_of(request: Request) -> str | None:
    """Return the cookie's session ID; None if it has another format."""
    value = http_request.cookies(request).get(COOKIE, "")
    return value if ids.is_id(value) else None


def unless_expired(cart: Cart | None) -> Cart | None:
    """Return None for a row past its expiry: DynamoDB deletes it later."""
    return cart if cart is not None and cart.expires > clock.timestamp() else None


def load(request: Request, *beside: Part[Any]) -> Session:
    """Load the visitor's session: one read, none without a cookie. Settings `beside` it that are due come with it."""
    session_id = session_id_of(request)
    if session_id is None:
        return Session(None, None)
    return Session(session_id, unless_expired(get_beside(Cart, session_key(session_id), *beside)))


def expired_cookies() -> list[str]:
    """Return Set-Cookie values that delete the session's cookies."""
    return [
        set_cookie_header(COOKIE, "", max_age=0),
        set_cookie_header(COUNT_COOKIE, "", max_age=0, script=True),
    ]
