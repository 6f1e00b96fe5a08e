"""The stand-in for the store that files are uploaded to: it keeps sizes and types, never bytes."""

from __future__ import annotations

from dataclasses import dataclass, field


class UploadError(ValueError):
    """Bytes were sent to an address that was not given out."""


@dataclass
class Uploads:
    """What was promised a place and what has come, as long as the sandbox lives."""

    url: str = "http://127.0.0.1/uploads"
    count: int = 0
    promised: set[str] = field(default_factory=set)
    arrived: dict[str, tuple[int, str]] = field(default_factory=dict)

    def promise(self) -> str:
        """Return a new key."""
        self.count += 1
        key = f"sandbox-upload-{self.count:08d}"
        self.promised.add(key)
        return key

    def receive(self, key: str, size: int, content_type: str) -> None:
        """Take note of bytes that came under *key*."""
        if key not in self.promised:
            raise UploadError(f"No upload was announced under {key}.")
        self.arrived[key] = (size, content_type)
