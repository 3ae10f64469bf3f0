"""The life of one phone number of one tenant at one hub: all that can happen to it, and what follows.

    submitted by its tenant ──► pending ─ submitting ─ submitted ─ created ─ ready ─ running ─ live
                                                                                              │
                                 connected ◄─ connecting ◄────────────────────────────────────┘

    beside it, at any time:  failed · restricted · cancelled · attention
    connected: proved each day, by `check`
    adopted: it was at 360dialog before us; it rests until somebody asks for its key
    a later popup of its tenant:  reconnect; its channel is read first; when that has ended, a new life begins
    its end: asked for, confirmed by reading, and undone when it is taken back

| module     | holds                                                                 |
|------------|-----------------------------------------------------------------------|
| `record`   | the record, and what follows from it: status, attention, next step    |
| `runs`     | what a run of a step writes down                                      |
| `channels` | whose a channel is, and what it shows                                 |
| `events`   | what 360dialog's events change                                        |
| `lives`    | the end, the way back, another owner                                  |
| `wishes`   | what its tenant asks for                                              |
| `adoption` | channels that were there before us, and a new key for one that is     |
| `notices`, `plan` | what a person should see; when the next step is due            |

Pure: no I/O, no clock, no chance. Each function changes the record it is given and tells its facts; whoever
writes the record writes them with it. The record is the claim on the number, too: who acts on a number acts
on this record under its version.
"""

from onramp.domain.number.adoption import adopt, can_rotate, keep_key, rotate
from onramp.domain.number.channels import contradicts, is_of, match_late, may_be_of, missed, proved, see
from onramp.domain.number.events import Heard, hear
from onramp.domain.number.lives import (
    can_retry,
    end,
    erase,
    give_up,
    hand_over,
    is_alive,
    is_free,
    move,
    reconnect,
    retry,
    submit,
    take_back,
)
from onramp.domain.number.notices import note, second_is_gone, settle_notice
from onramp.domain.number.plan import advance, go_on, overtake, schedule
from onramp.domain.number.record import (
    ChannelKey,
    Failure,
    Intent,
    Listing,
    Number,
    Unseen,
    WabaOf,
    Wish,
    channel_place,
    waba_place,
)
from onramp.domain.number.runs import (
    answered,
    checked,
    connected,
    doubt,
    drifted,
    fail,
    held_up,
    intend,
    key_made,
    look_again,
    looked,
    looked_before,
    may_mend,
    mended,
    overdue,
    plan_again,
    put_off,
    renew_client,
    renew_key,
    set_back,
    submitted,
    surely_absent,
    take,
    urgent_until,
)
from onramp.domain.number.wishes import (
    ask,
    ask_for_proof,
    can_cancel,
    can_check,
    can_reactivate,
    granted,
    refuse,
)

__all__ = (
    "ChannelKey", "Failure", "Heard", "Intent", "Listing", "Number", "Unseen", "WabaOf", "Wish", "adopt",
    "advance", "answered", "ask", "ask_for_proof", "can_cancel", "can_check", "can_reactivate", "can_retry",
    "can_rotate", "channel_place", "checked", "connected", "contradicts", "doubt", "drifted", "end", "erase",
    "fail", "give_up", "go_on", "granted", "hand_over", "hear", "held_up", "intend", "is_alive", "is_free",
    "is_of", "keep_key", "key_made", "look_again", "looked", "looked_before", "match_late", "may_be_of",
    "may_mend", "mended", "missed", "move", "note", "overdue", "overtake", "plan_again", "proved", "put_off",
    "reconnect", "refuse", "renew_client", "renew_key", "retry", "rotate", "schedule", "second_is_gone",
    "see", "set_back", "settle_notice", "submit", "submitted", "surely_absent", "take", "take_back",
    "urgent_until", "waba_place",
)  # fmt: skip
