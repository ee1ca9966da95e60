"""How the rules of owning and reading are broken: fence, lease, take-over, acknowledgement."""

from __future__ import annotations

from mutations.mutation import Mutation

READER = (
    "tests/contract/streams/test_reader_contract.py",
    "tests/contract/streams/test_reader_on_servers.py",
)
FAULTS = ("tests/integration/test_streams_read_faults.py",)
FULL = ("tests/integration/test_streams_full_server.py",)
LEASES = ("tests/contract/streams/test_lease_contract.py",)
PARKED = ("tests/contract/streams/test_parked_contract.py",)

EPOCH_CHECK = "if redis.call('GET', epoch) ~= held_epoch then"
UNFENCED = "if false then"


def unfenced(script: str, why: str, tests: tuple[str, ...]) -> Mutation:
    """Return a script without its fence."""
    return Mutation(
        f"fence.{script}", f"streams/lua/{script}.lua", EPOCH_CHECK, UNFENCED, why, tests
    )


STREAM_RULES = (
    Mutation(
        "fence.no_watch",
        "streams/fence.py",
        'pack(("WATCH", epoch_key))',
        'pack(("PING",))',
        "a worker that was frozen between two reads reads once more after a take-over",
        READER,
        is_short=True,
    ),
    Mutation(
        "fence.watch_that_was_refused",
        "streams/fence.py",
        "for reply in (watched, epoch):",
        "for reply in (epoch,):",
        "a worker whose user may not watch reads once more after a take-over",
        ("tests/integration/test_streams_rights.py",),
    ),
    Mutation(
        "fence.any_epoch",
        "streams/fence.py",
        'if epoch != b"%d" % self._lease.epoch:',
        "if epoch is None:",
        "a worker whose connection was replaced reads under another one's epoch",
        (*READER, *FAULTS),
    ),
    unfenced("entry_retry", "a former owner counts attempts of another's messages", READER),
    unfenced("entry_move", "a former owner buries another's messages, or moves them aside", READER),
    unfenced("pending_claim", "a former owner takes messages back", READER),
    unfenced("channel_park", "a former owner parks channels", PARKED),
    unfenced("channel_unpark", "a former owner lets a parked channel go on", PARKED),
    unfenced("aside_retry", "a former owner counts attempts of what is set aside", PARKED),
    unfenced("aside_finish", "a former owner removes what is set aside", PARKED),
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
        "full.leases_run_out",
        "streams/lua/lease_renew.lua",
        "#!lua flags=allow-oom\n",
        "",
        "while Redis is full nobody can own a partition, so nothing is handled and nothing freed",
        FULL,
    ),
    Mutation(
        "full.dead_letters_block",
        "streams/lua/entry_move.lua",
        "#!lua flags=allow-oom\n",
        "",
        "while Redis is full a message that fails stays pending, and nothing behind it is trimmed",
        FULL,
    ),
    Mutation(
        "full.unfenced",
        "streams/lua/entries_read.lua",
        EPOCH_CHECK,
        UNFENCED,
        "while Redis 7.0 is full a former owner reads another's messages",
        READER,
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
        "entry_of(entry_id, fields, max(0, deliveries - 1))",
        "entry_of(entry_id, fields, 0)",
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
        "take_over.group_restored_beyond_what_was_taken_over",
        "streams/read.py",
        "self._claimed_to if self._is_taking_over else",
        "",
        "after the group was lost during a take-over the rest of what was pending is skipped",
        FAULTS,
    ),
    Mutation(
        "take_over.group_missed_by_settling",
        "streams/read.py",
        "await self._restore_group()\n            await self._run_fenced(",
        "await self._run_fenced(",
        "after the group was lost a full lane whose first message fails stands still for ever",
        FAULTS,
    ),
    Mutation(
        "take_over.set_aside_is_pending_again",
        "streams/read.py",
        '"entry_move", [target], arguments)\n        self.forget(entry.id)',
        '"entry_move", [target], arguments)',
        "after the group was lost what was set aside is set aside again, behind newer messages",
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
        "streams/lua/entry_move.lua",
        "redis.call('XACK', stream, group, id)",
        "",
        "a dead letter is handled again by the next owner",
        READER,
    ),
    Mutation(
        "dead_letter.twice",
        "streams/lua/entry_move.lua",
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
)
