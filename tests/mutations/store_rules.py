"""How the rules of storing are broken: trimming, resends, confirmations, sealed streams."""

from __future__ import annotations

from mutations.mutation import Mutation
from mutations.stream_rules import READER, unfenced

TRIM = ("tests/contract/streams/test_trim_contract.py",)
APPEND = ("tests/contract/streams/test_append_contract.py",)
RESIZE = ("tests/contract/streams/test_resize_contract.py",)
GATE = ("tests/contract/streams/test_gatekeeper_contract.py",)
TRACE = ("tests/contract/streams/test_trace_contract.py",)
APPEND_FAULTS = ("tests/integration/test_streams_append_faults.py",)

STORE_RULES = (
    Mutation(
        "trim.pending",
        "streams/lua/stream_trim.lua",
        "if group['pending'] > 0 then",
        "if false then",
        "messages in hand are deleted and cannot be taken over",
        TRIM,
        is_short=True,
    ),
    Mutation(
        "trim.other_groups",
        "streams/lua/stream_trim.lua",
        "if not needed or is_before(first, needed) then",
        "if not needed then",
        "another system loses what it has not read",
        TRIM,
    ),
    Mutation(
        "trim.unread_by_age",
        "streams/lua/stream_trim.lua",
        "if is_before(needed, bound) then",
        "if false then",
        "unread messages older than the retention are deleted",
        TRIM,
    ),
    Mutation(
        "trim.unread_by_length",
        "streams/lua/stream_trim.lua",
        "if is_before(needed, first_kept) then",
        "if false then",
        "unread messages beyond the length are deleted",
        TRIM,
    ),
    Mutation(
        "dedup.not_looked_up",
        "streams/lua/entry_append.lua",
        "if stored then",
        "if false then",
        "a resend is stored twice",
        APPEND,
        is_short=True,
    ),
    Mutation(
        "dedup.for_ever",
        "streams/lua/entry_append.lua",
        "redis.call('SET', dedup, id .. ' ' .. reply, 'PX', window_ms)",
        "redis.call('SET', dedup, id .. ' ' .. reply)",
        "ids are kept for ever and fill the memory",
        ("tests/docs/test_keys_page.py",),
    ),
    Mutation(
        "dedup.one_key_for_all",
        "streams/append.py",
        "self._keys.dedup(partition, dedup_digest(dedup.key))\n            call = (2, self.",
        'self._keys.dedup(partition, "0")\n            call = (2, self.',
        "the second user's message is taken for the first one's",
        APPEND,
    ),
    Mutation(
        "trace.lost_beside_a_clients_id",
        "streams/lua/entry_append.lua",
        "payload, unpack(ARGV, 4))",
        "payload)",
        "the trace of a message that may be resent ends in the callback service",
        TRACE,
    ),
    Mutation(
        "trace.unbounded",
        "telemetry/trace_context.py",
        "len(state) > MAX_STATE_BYTES",
        "False",
        "a client fills the stream with a header",
        ("tests/unit/telemetry/test_tracing.py",),
    ),
    Mutation(
        "append.error_confirmed",
        "streams/append_outcome.py",
        "    if isinstance(reply, Exception):\n        return reply\n",
        '    if isinstance(reply, Exception):\n        return Appended("0-1")\n',
        "a message that the server refused is confirmed to its sender",
        APPEND_FAULTS,
    ),
    Mutation(
        "append.confirmed_before_it_is_durable",
        "streams/pipeline.py",
        "if shortfall is not None and isinstance(outcome, Appended):",
        "if False:",
        "a message is confirmed that no replica has",
        ("tests/integration/test_streams_durability.py",),
    ),
    Mutation(
        "append.ignores_the_backlog",
        "streams/append.py",
        "if refusal is not None:",
        "if False:",
        "a backlog grows until the server is full",
        ("tests/integration/test_streams_backlog.py",),
    ),
    Mutation(
        "seal.does_not_close",
        "streams/lua/stream_seal.lua",
        "redis.call('XSETID', stream, greatest)\nreturn 1",
        "return 1",
        "a process that missed the change goes on by the old partition count",
        RESIZE,
    ),
    Mutation(
        "seal.taken_for_a_marker",
        "streams/stored_entry.py",
        "and fields[2:] == [] and",
        "and",
        "a message with another writer's field is passed over, or holds back all behind it",
        READER,
    ),
    Mutation(
        "seal.after_it_was_undone",
        "streams/lua/stream_seal.lua",
        "if tonumber(redis.call('HGET', generations, 'unsealed') or '0') "
        ">= tonumber(generation) then\n  return 0",
        "if false then\n  return 0",
        "a call that is late closes a stream for ever",
        RESIZE,
    ),
    Mutation(
        "seal.never_opened",
        "streams/lua/stream_unseal.lua",
        "if is_used == '1' and redis.call('EXISTS', stream) == 1 then",
        "if false then",
        "after a change of the partition count nobody can publish",
        RESIZE,
    ),
    unfenced("gate_open", "a former owner lets a partition go on before its time", GATE),
    unfenced("partition_drain", "a former owner says for another that all is handled", GATE),
)
