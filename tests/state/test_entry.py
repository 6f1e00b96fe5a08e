"""Entries as bytes: any change is noticed, and what is newer, foreign or out of place is named."""

from __future__ import annotations

import json
from base64 import b85decode
from collections.abc import Callable

import pytest

from crmsync.model.address import Address
from crmsync.model.events import Bound, Origin
from crmsync.model.state import Binding, Head, State
from crmsync.model.store import Holder, Unusable
from crmsync.state.entry import (
    LAYOUT,
    Entry,
    pack_events,
    pack_head,
    pack_lease,
    pack_snapshot,
    unpack_entry,
    unpack_head,
    unpack_lease,
)

ACME = Address("companies", "acme")
EVENTS = tuple(Bound(Address("companies", f"c{number}"), number, Origin.CREATED) for number in range(5))
MANY = tuple(Bound(Address("companies", f"c{number}"), number, Origin.CREATED) for number in range(500))
STATE = State(Head("ours", b"k" * 32), 7, 5, {ACME: Binding(7, Origin.CREATED)})
SEGMENT = pack_events("ours", 7, 100.0, "w", EVENTS)
Look = Callable[[bytes], object]


@pytest.mark.parametrize("events", [(), EVENTS, MANY])
def test_a_segment_comes_back(events: tuple[Bound, ...]) -> None:
    """Small ones as they are, large ones compressed."""
    assert Entry(7, 100.0, events) == unpack_entry(pack_events("ours", 7, 100.0, "w", events), "ours", 7)


def test_a_large_entry_is_compressed() -> None:
    """A snapshot of many records is sent and kept small."""
    plain = len(json.dumps([str(each) for each in MANY]))

    assert len(pack_events("ours", 7, 100.0, "w", MANY)) < plain / 3


def test_a_snapshot_comes_back() -> None:
    """Under the head that was read."""
    entry = unpack_entry(pack_snapshot("ours", 100.0, "w", STATE), "ours", 7)

    assert entry.state(STATE.head) == STATE


def test_two_entries_are_never_alike() -> None:
    """The writer's nonce tells whose entry it is after an answer was lost."""
    assert pack_events("ours", 7, 100.0, "a", EVENTS) != pack_events("ours", 7, 100.0, "b", EVENTS)


#: As the first layout wrote them, deflated. They are in people's repositories and buckets.
DEFLATED = (
    "dm>?UB03;3FfcAKEFdCda&2>YZet=kATcZ;B4lZ2Wpi{QIv^r7VlyydI5#w5I5}lCGGb;lH)dvIWMgAyV>mQoFk@mOEFdCjb0Rt*B4u`EZgg`Z"
    "EFdCmX>Mg<XJsNfAR=#da&saqAR=&KV{2t(B03-<WMyV-VRU68EFdCqZ*ysMX>V>KIv_VJAR>2iX>?_BB03-"
    "<cOrcXc$}rz&1%9x7=__`nY9$ZKegUUDaD$!xX_enyAkibmagW|Md95A65iE$$jr69P4jVgX<J{k@oPL?&Tad2{e5iP_Bwr@hPG(CVVKAB{axE"
    "n$B*6VFrFXw%lnIY+)wlHav0inxoFdTct4zezM99~WgOaV@z0j^Eh8=OTTWWhw}P~?ZzX9}-"
    "zw5t^{o|Yt^3xRv^ITfLt2l0>k(~LhHq^7I(@W#lkpo`zsdX!?cW4|Aps@?3>h#%U`T-"
    "p149l>AQ+NhLcx#)7YmLoxL9!ZAJ88GvfyIDkp&kEjx4xXaAd*7f+Gtq793e{vEaypiv>p(LM#Nb5Mm*ag%AtDPDOewLKZ?S1hNofA&`X-"
    "3xO<zSO{bx#6lnoAr=BzNU@N}LW+e%7E&xEvXEjS*&RVI3CKc<g+vxoEF`j!Vj+=*6bp$gq*zE~p~ONV3ndl`Stzkk$U=#QLKaFa6uU9&l^Izm"
    "u~5iDiG@NIN-PwzP-3C}wD5fU28>7x0{"
)


def test_an_entry_that_was_deflated_is_read() -> None:
    """Logs that an earlier version began go on."""
    assert unpack_entry(b85decode(DEFLATED), "ours", 7) == Entry(7, 100.0, MANY[:60])


@pytest.mark.parametrize(
    ("content", "look"),
    [
        (SEGMENT, lambda content: unpack_entry(content, "ours", 7)),
        (pack_events("ours", 7, 100.0, "w", MANY), lambda content: unpack_entry(content, "ours", 7)),
        (pack_snapshot("ours", 100.0, "w", STATE), lambda content: unpack_entry(content, "ours", 7)),
        (pack_head("ours", b"k" * 32), lambda content: unpack_head(content, "ours")),
    ],
    ids=["segment", "compressed", "snapshot", "head"],
)
def test_any_change_is_refused_or_harmless(content: bytes, look: Look) -> None:
    """Each byte changed, and the end cut off anywhere: refused with the way out, or the same is read."""
    whole, told = look(content), []
    for at in range(len(content)):
        for broken in (content[:at], content[:at] + bytes([content[at] ^ 0x5A]) + content[at + 1 :]):
            try:
                assert whole == look(broken)
            except Unusable as error:
                told.append(str(error))

    assert len(told) > len(content)
    assert [text for text in told if not any(word in text for word in ("damaged", "newer crmsync", "belongs"))] == []


@pytest.mark.parametrize(
    ("look", "told"),
    [
        (lambda: unpack_entry(SEGMENT, "theirs", 7), "belongs elsewhere"),
        (lambda: unpack_entry(SEGMENT, "ours", 8), "belongs elsewhere"),
        (lambda: unpack_entry(pack_head("ours", b"k"), "ours", 7), "belongs elsewhere"),
        (lambda: unpack_head(pack_head("theirs", b"k"), "ours"), "belongs to the project theirs, and this one is ours"),
        (lambda: unpack_head(SEGMENT, "ours"), "head is damaged"),
        (lambda: unpack_head(b'{"crmsync": %d}\n' % (LAYOUT + 1), "ours"), "newer crmsync"),
    ],
)
def test_what_is_out_of_place_is_named(look: Callable[[], object], told: str) -> None:
    """An entry of another log, at another position, or of a newer version is never taken for ours."""
    with pytest.raises(Unusable, match=told):
        look()


def test_a_lease_that_makes_no_sense_is_held_by_nobody() -> None:
    """A lease is courtesy: damage to it may not keep everybody out."""
    holder = Holder("n", "dana", "here", 1, 2.0, 3.0)

    assert unpack_lease(pack_lease(holder)) == holder
    assert [unpack_lease(content) for content in (b"", b"x", b"{}", b"[]", b"null")] == [None] * 5
