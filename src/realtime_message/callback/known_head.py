"""The head of a request that was parsed before, to be recognised byte for byte.

A gateway sends thousands of publishes on one connection, and their heads differ in nothing but the
length of the body. Once a head went through the HTTP parser and its secret was found right, another
that is the same in every byte but that number can only mean the same: it need not be parsed again,
nor its secret be compared again. Whatever differs in the slightest goes through the parser.
"""

from __future__ import annotations

import re

_LENGTH = re.compile(rb"\r\ncontent-length: (\d{1,9})(?=\r\n)", re.IGNORECASE)
_MAX_DIGITS = 9


class KnownHead:
    """A head, from its request line to the empty line, without the digits of its length.

    Args:
        before: all up to the digits.
        after: all behind them, the empty line included.
    """

    __slots__ = ("_after", "_before", "_before_size")

    def __init__(self, before: bytes, after: bytes) -> None:
        self._before = before
        self._before_size = len(before)
        self._after = after

    @classmethod
    def learn(cls, request: bytes, body_size: int) -> KnownHead | None:
        """Return the head of a request; None if it is none of the usual form.

        Args:
            request: the bytes of one whole request that the parser took, nothing before or after.
            body_size: how many bytes of body the parser found in it.
        """
        head, empty_line, body = request.partition(b"\r\n\r\n")
        head += empty_line
        lengths = list(_LENGTH.finditer(head))
        if len(lengths) != 1 or int(lengths[0][1]) != body_size or len(body) != body_size:
            return None
        return cls(head[: lengths[0].start(1)], head[lengths[0].end(1) :])

    def body_of(self, data: bytes) -> bytes | None:
        """Return the body, if the data are one whole request with this head and nothing else."""
        if not data.startswith(self._before):
            return None
        digits_end = data.find(b"\r", self._before_size, self._before_size + _MAX_DIGITS + 1)
        if digits_end < 0 or not data.startswith(self._after, digits_end):
            return None
        digits = data[self._before_size : digits_end]
        body = data[digits_end + len(self._after) :]
        return body if digits.isdigit() and int(digits) == len(body) else None
