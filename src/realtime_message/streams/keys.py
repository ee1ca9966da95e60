"""Every key, group and consumer name. Keys of one partition share its stream's hash slot."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from realtime_message.partitions import hash_tag

#: How the consumers of workers begin; other systems may have others in the same group.
CONSUMER_PREFIX = "worker-"


@dataclass(frozen=True, slots=True)
class Keys:
    """The key names under one prefix."""

    prefix: str

    def stream(self, partition: int) -> str:
        """The stream of a partition; its own name has no hash tag."""
        return f"{self.prefix}:partition:{partition}"

    def group(self, partition: int) -> str:
        """The workers' consumer group on a partition's stream."""
        return f"workers:partition-{partition}"

    def epoch(self, partition: int) -> str:
        """Number that grows each time the partition changes hands."""
        return self._beside(partition, "epoch")

    def lease(self, partition: int) -> str:
        """Hash with the holder; expires with the lease."""
        return self._beside(partition, "lease")

    def dead_letters(self, partition: int) -> str:
        """Stream of the partition's dead letters."""
        return self._beside(partition, "dead")

    def parked(self, partition: int) -> str:
        """Sorted set of the partition's parked channels."""
        return self._beside(partition, "parked")

    def parked_notes(self, partition: int) -> str:
        """Hash: since when and why each of the partition's channels is parked."""
        return self._beside(partition, "parked_notes")

    def replayed(self, partition: int) -> str:
        """Hash: dead letters of other partitions that were appended to this one again."""
        return self._beside(partition, "replayed")

    def aside(self, partition: int, digest: str) -> str:
        """Stream of a parked channel's entries that were set aside."""
        return f"{self._beside(partition, 'parked')}:{digest}"

    def aside_attempts(self, partition: int, digest: str) -> str:
        """How often the first entry was tried that is set aside of a parked channel."""
        return f"{self._beside(partition, 'attempts')}:{digest}"

    def dedup(self, partition: int, digest: str) -> str:
        """What a resend of one client message is answered with; expires with the window."""
        return f"{self._beside(partition, 'dedup')}:{digest}"

    def generations(self, partition: int) -> str:
        """Hash with how far the partition has followed resizes."""
        return self._beside(partition, "generations")

    @property
    def layout(self) -> str:
        """Hash with partition count, hash name, and how far a resize is."""
        return f"{hash_tag(self.prefix)}:layout"

    @property
    def members(self) -> str:
        """Sorted set of members by the end of their life."""
        return f"{hash_tag(self.prefix)}:members"

    @property
    def assignment(self) -> str:
        """Hash with the stored assignment and its version."""
        return f"{hash_tag(self.prefix)}:assignment"

    def probe(self, stream: str) -> str:
        """Never written: what is asked about it shows what the server would allow."""
        return f"{hash_tag(stream)}:probe"

    def check(self, stream: str) -> str:
        """Written by a check of a level that waits for replicas or the disk; gone in a second."""
        return f"{hash_tag(stream)}:check"

    def _beside(self, partition: int, purpose: str) -> str:
        return f"{hash_tag(self.stream(partition))}:{purpose}"


def publisher_name(prefix: str, generation: int) -> str:
    """The name of a connection that appends under a generation of the layout.

    A resize finds by it whom to cut off.
    """
    return f"rtm-publisher:{prefix}:{generation}"


def dedup_digest(key: str) -> str:
    """Return what stands in a key for a message of a client; its own id may have any length."""
    return blake2b(key.encode(), digest_size=16).hexdigest()


def consumer_name(worker: str, pid: int) -> str:
    """The consumer name of a worker's process, `worker-{id}-{pid}`."""
    return f"{CONSUMER_PREFIX}{worker}-{pid}"
