"""The ways of an order that are broken at every call, a file a kind of way."""
