"""Strip ELF libraries of what no loader reads: debug symbols, which may be a third of a file."""

import struct

MAGIC = b"\x7fELF\x02\x01"  # 64 bits, little-endian: both of Lambda's architectures
MACHINES = {"arm64": 183, "x86_64": 62}
_HEADER = 64


def machine(body: bytes) -> int:
    """Return a library's architecture by its ELF number."""
    return int.from_bytes(body[18:20], "little")


def stripped(body: bytes) -> bytes:
    """Blank what no program header names, and cut it off at the end. Raises ValueError for other files."""
    if not body.startswith(MAGIC):
        raise ValueError("not a 64-bit little-endian ELF file")
    (table,) = struct.unpack_from("<Q", body, 32)
    size, count = struct.unpack_from("<HH", body, 54)
    kept = [(0, _HEADER), (table, table + size * count)]
    for number in range(count):
        offset, length = _place(body, table + size * number)
        kept.append((offset, offset + length))
    result = bytearray(max(end for _, end in kept))
    for start, end in kept:
        result[start:end] = body[start:end]
    # Sections are for linkers and debuggers; their table is removed, and the header says so.
    struct.pack_into("<Q", result, 40, 0)
    struct.pack_into("<HHH", result, 58, 0, 0, 0)
    return bytes(result)


def _place(body: bytes, header: int) -> tuple[int, int]:
    (offset,) = struct.unpack_from("<Q", body, header + 8)
    (length,) = struct.unpack_from("<Q", body, header + 32)
    return offset, length
