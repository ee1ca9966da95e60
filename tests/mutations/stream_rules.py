"""How the rules of the streams are broken: fence, lease, take-over, trimming, dedup, append."""

from __future__ import annotations

from mutations.mutation import Mutation

READER = (
    "tests/contract/streams/test_reader_contract.py",
    "tests/contract/streams/test_reader_on_servers.py",
)
FAULTS = ("tests/integration/test_streams_read_faults.py",)
LEASES = ("tests/contract/streams/test_lease_contract.py",)
PARKED = ("tests/contract/streams/test_parked_contract.py",)
TRIM = ("tests/contract/streams/test_trim_contract.py",)
APPEND = ("tests/contract/streams/test_append_contract.py",)
APPEND_FAULTS = ("tests/integration/test_streams_append_faults.py",)

EPOCH_CHECK = "if redis.call('GET', epoch) ~= held_epoch then"
UNFENCED = "if false then"


def _unfenced(script: str, why: str, tests: tuple[str, ...]) -> Mutation:
    return Mutation(
        f"fence.{script}", f"streams/lua/{script}.lua", EPOCH_CHECK, UNFENCED, why, tests
    )


STREAM_RULES = (
    Mutation(
        "fence.no_watch",
        "streams/fence.py",
        '[("WATCH", epoch_key), ("GET", epoch_key)]',
        '[("PING",), ("GET", epoch_key)]',
        "a worker that was frozen between two reads reads once more after a take-over",
        READER,
        is_short=True,
    ),
    Mutation(
        "fence.any_epoch",
        "streams/fence.py",
        'if epoch != b"%d" % self._lease.epoch:',
        "if epoch is None:",
        "a worker whose connection was replaced reads under another one's epoch",
        (*READER, *FAULTS),
    ),
    _unfenced("entry_retry", "a former owner counts attempts of another's messages", READER),
    _unfenced("entry_dead_letter", "a former owner buries another's messages", READER),
    _unfenced("pending_claim", "a former owner takes messages back", READER),
    _unfenced("entry_set_aside", "a former owner moves messages aside", PARKED),
    _unfenced("channel_park", "a former owner parks channels", PARKED),
    _unfenced("channel_unpark", "a former owner lets a parked channel go on", PARKED),
    _unfenced("aside_retry", "a former owner counts attempts of what is set aside", PARKED),
    _unfenced("aside_finish", "a former owner removes what is set aside", PARKED),
    Mutation(
        "lease.taken_from_a_holder",
        "streams/lua/lease_acquire.lua",
        "if current and current ~= holder then",
        "if false then",
        "two workers own one partition",
        LEASES,
    ),
    Mutation(
        "lease.epoch_stays",
        "streams/lua/lease_acquire.lua",
        "math.max(now_us, tonumber(last or '0') + 1)",
        "tonumber(last or '1')",
        "the fence lets a former owner through",
        (*LEASES, *READER),
    ),
    Mutation(
        "lease.epoch_may_fall",
        "streams/lua/lease_acquire.lua",
        "math.max(now_us, tonumber(last or '0') + 1)",
        "tonumber(last or '0') + 1",
        "after a server lost its data, an epoch comes again",
        LEASES,
    ),
    Mutation(
        "lease.renewed_after_loss",
        "streams/lua/lease_renew.lua",
        "redis.call('GET', epoch) ~= held_epoch or",
        "false or",
        "a worker that lost the partition prolongs its lease",
        LEASES,
    ),
    Mutation(
        "lease.renewed_after_release",
        "streams/lua/lease_renew.lua",
        " or redis.call('HGET', lease, 'released') == held_epoch then",
        " then",
        "a renewal that is late brings a released lease back; everyone waits for it to run out",
        LEASES,
    ),
    Mutation(
        "lease.released_by_anyone",
        "streams/lua/lease_release.lua",
        "if redis.call('GET', epoch) ~= held_epoch then",
        "if false then",
        "a former owner gives the present one's lease away",
        LEASES,
    ),
    Mutation(
        "take_over.lost_reply_forgotten",
        "streams/read.py",
        "if self._has_lost_reply and count > 0:",
        "if False:",
        "entries whose reply was lost are never handled by this owner",
        FAULTS,
        is_short=True,
    ),
    Mutation(
        "take_over.own_attempts_forgotten",
        "streams/read.py",
        "_entry(entry_id, fields, max(0, deliveries - 1))",
        "_entry(entry_id, fields, 0)",
        "a message that kills its worker is tried for ever",
        READER,
    ),
    Mutation(
        "take_over.claims_count_as_attempts",
        "streams/lua/pending_claim.lua",
        "redis.call('XCLAIM', stream, group, consumer, 0, id, 'JUSTID')",
        "redis.call('XCLAIM', stream, group, consumer, 0, id)",
        "a message that only waits is given up after some changes of owner",
        READER,
    ),
    Mutation(
        "take_over.group_restored_at_its_end",
        "streams/read.py",
        "arguments = (self._group, self._consumer, position, *known)",
        'arguments = (self._group, self._consumer, "9999999999999-0", *known)',
        "entries that nobody has read are skipped after the group was lost",
        FAULTS,
    ),
    Mutation(
        "take_over.handed_out_twice",
        "streams/read.py",
        "return [entry for entry in entries if entry.id not in self._unacknowledged]",
        "return entries",
        "after a restart without the latest writes a message is in hand twice at once",
        FAULTS,
    ),
    Mutation(
        "acknowledge.not_sent",
        "streams/read.py",
        '            commands.append(("XACK", self._stream, self._group, *acknowledged))',
        "            pass",
        "everything is handled again by the next owner",
        READER,
    ),
    Mutation(
        "dead_letter.not_acknowledged",
        "streams/lua/entry_dead_letter.lua",
        "redis.call('XACK', stream, group, id)",
        "",
        "a dead letter is handled again by the next owner",
        READER,
    ),
    Mutation(
        "dead_letter.twice",
        "streams/lua/entry_dead_letter.lua",
        "if #redis.call('XPENDING', stream, group, id, id, 1) == 0 then",
        "if false then",
        "a repeated call leaves two dead letters of one message",
        READER,
    ),
    Mutation(
        "parked.goes_on_too_early",
        "streams/lua/channel_unpark.lua",
        "if redis.call('XLEN', aside) > 0 then",
        "if false then",
        "what was set aside is deleted with its channel's parking",
        PARKED,
    ),
    Mutation(
        "parked.handled_again",
        "streams/lua/aside_finish.lua",
        "redis.call('XTRIM', aside, 'MINID', next_id)",
        "",
        "what was set aside is handled again and again",
        PARKED,
    ),
    Mutation(
        "parked.attempts_forgotten",
        "streams/lua/aside_retry.lua",
        "redis.call('SET', tried, id .. ' ' .. count)",
        "",
        "a message that was set aside and kills its worker is tried for ever",
        PARKED,
    ),
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
        APPEND,
    ),
    Mutation(
        "dedup.one_key_for_all",
        "streams/append.py",
        "digest = blake2b(dedup.key.encode(), digest_size=16).hexdigest()",
        'digest = "0"',
        "the second user's message is taken for the first one's",
        APPEND,
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
)
