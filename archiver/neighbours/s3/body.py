"""An object's bytes as they arrive."""

import io
from typing import TYPE_CHECKING, Any, Final

from archiver.errors import TransientError
from archiver.neighbours.s3.errors import FAILURES, refuse
from archiver.section import MIB

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STREAM_BUFFER_BYTES: Final = MIB


class Body(io.RawIOBase):
    """An object's bytes as they arrive; errors are ours, and an end before the announced size is one."""

    def __init__(self, body: Any, size_bytes: int, thing: str) -> None:
        super().__init__()
        self.size_bytes = size_bytes
        self._body = body
        self._thing = thing
        self._read_bytes = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """As ``io.RawIOBase``."""
        target = memoryview(buffer).cast("B")
        chunk = self._next(len(target))
        target[: len(chunk)] = chunk
        return len(chunk)

    def read_whole(self) -> bytes:
        """Everything that is left."""
        chunks = []
        while chunk := self._next(STREAM_BUFFER_BYTES):
            chunks.append(chunk)
        return b"".join(chunks)

    def _next(self, size_bytes: int) -> bytes:
        if size_bytes == 0:
            return b""
        try:
            chunk: bytes = self._body.read(size_bytes)
        except FAILURES as error:
            raise refuse(error, "GetObject", self._thing) from error
        self._read_bytes += len(chunk)
        if not chunk and self._read_bytes != self.size_bytes:
            raise TransientError(
                f"{self._thing}: {self.size_bytes} bytes were announced, the connection ended after {self._read_bytes}"
            )
        return chunk
