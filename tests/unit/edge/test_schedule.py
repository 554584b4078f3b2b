"""Whose announced address is asked when: nobody's flood keeps another from having a turn, and there is an end to it."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.finding.schedule import Candidate, Place, Schedule, in_order, in_turns

hosts = st.tuples(st.integers(0, 3), st.integers(0, 3)).map(lambda pair: f"10.0.{pair[0]}.{pair[1]}")
places = st.tuples(hosts, st.sampled_from([7443, 1, 2]))


@st.composite
def candidates(draw: st.DrawFn) -> Candidate:
    where = draw(st.lists(places, min_size=1, max_size=3, unique=True))
    return candidate(
        *where,
        box=draw(st.sampled_from("abcdef")),
        lane=draw(st.sampled_from(["", "left", "right"])),
        expected=draw(st.booleans()),
    )


def candidate(*where: Place, box: str = "b", lane: str = "lan", expected: bool = False) -> Candidate:
    host, port = where[0]
    network = host.rpartition(".")[0]
    return Candidate(box=box, places=where, lane=lane, network=network, usual=port == 7443, expected=expected)


def run(schedule: Schedule, answers: set[Place], at_once: int = 1, took_s: float = 1.5) -> list[Place]:
    """Ask until there is nothing left; in which order."""
    asked: list[Place] = []
    open_: list[Place] = []
    while True:
        while len(open_) < at_once and (place := schedule.take()) is not None:
            asked.append(place)
            open_.append(place)
        if not open_:
            return asked
        place = open_.pop(0)
        schedule.tell(place, answered=place in answers, took_s=took_s)


@given(
    st.lists(places, max_size=20),
    st.lists(candidates(), max_size=30),
    st.sets(places, max_size=10),
    st.integers(1, 5),
)
def test_each_is_asked_once_and_what_was_named_first_and_whole(
    named: list[Place], claims: list[Candidate], answers: set[Place], at_once: int
) -> None:
    schedule = Schedule(named, claims)
    asked = run(schedule, answers, at_once)
    assert len(asked) == len(set(asked))
    assert asked[: len(set(named))] == list(dict.fromkeys(named))
    assert schedule.left == 0
    for one in claims:
        # At the first address where a key answers it is enough; none of the others before it is left out.
        until = next((at for at, place in enumerate(one.places) if place in answers), len(one.places))
        assert set(one.places[: until + 1]) <= set(asked)
    assert set(asked) <= set(named) | {place for one in claims for place in one.places}


@given(st.lists(candidates(), max_size=60))
def test_no_interface_network_or_host_waits_for_another(claims: list[Candidate]) -> None:
    ordered = in_order(claims)
    assert Counter(ordered) == Counter(claims)
    for group in (
        [one for one in ordered if one.expected],
        [one for one in ordered if not one.expected],
    ):
        first = next((ordered.index(one) for one in group), 0)
        assert first <= 1, "enrolled ones and others take turns"
    others = [one for one in ordered if not one.expected]
    lanes = list(dict.fromkeys(one.lane for one in others))
    assert [one.lane for one in others[: len(lanes)]] == lanes, "each interface had a turn before one had two"
    for lane in lanes:
        here = [one for one in others if one.lane == lane]
        networks = {one.network for one in here}
        assert {one.network for one in here[: len(networks)]} == networks
        for network in networks:
            there = [one for one in here if one.network == network]
            machines = {one.places[0][0] for one in there}
            assert {one.places[0][0] for one in there[: len(machines)]} == machines


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3))))
def test_turns_go_round(items: list[tuple[int, int]]) -> None:
    turned = list(in_turns(items, [lambda item: item[0]]))
    assert Counter(turned) == Counter(items)
    rounds = Counter[int]()
    seen = []
    for item in turned:
        rounds[item[0]] += 1
        seen.append(rounds[item[0]])
    assert seen == sorted(seen), "nobody is a round ahead"


def test_ten_thousand_claims_keep_a_box_waiting_for_one_turn_of_each_network() -> None:
    flood = [candidate((f"10.77.{n // 250}.{n % 250}", 7443), box=f"x{n}", lane="left") for n in range(10_000)]
    same = candidate(("10.77.200.7", 7443), box="same", lane="left")
    other = candidate(("10.78.0.2", 7443), box="other", lane="right")
    ordered = in_order([*flood, same, other])
    assert ordered.index(other) <= 1
    assert ordered.index(same) <= 2 * 41


def test_a_machine_that_pretends_to_be_at_anothers_address_does_not_outpace_it() -> None:
    crowd = [candidate(("10.0.0.9", port), box=f"x{port}") for port in range(1, 1000)]
    real = candidate(("10.0.0.9", 7443), box="real")
    assert in_order([*crowd, real])[0] == real


def test_ours_come_in_turns_too() -> None:
    crowd = [candidate((f"10.0.1.{n}", 7443), box="a", expected=True) for n in range(60)]
    ours = candidate(("10.0.0.2", 7443), box="b", expected=True)
    assert in_order([*crowd, ours]).index(ours) == 1


def test_what_is_asked_in_vain_has_an_end_and_what_answers_has_none() -> None:
    flood = [candidate((f"10.0.{n // 250}.{n % 250}", 7443), box=f"x{n}") for n in range(2000)]
    silent = Schedule([("10.9.9.9", n) for n in range(1, 300)], flood, vain_s=30.0)
    asked = run(silent, set(), at_once=10, took_s=1.5)
    assert asked[:299] == [("10.9.9.9", n) for n in range(1, 300)], "what was named is asked, and costs nothing"
    assert 20 <= len(asked) - 299 <= 30
    assert silent.left == 2000 - (len(asked) - 299)
    answering = Schedule([], flood, vain_s=30.0, most=1500)
    assert len(run(answering, {one.places[0] for one in flood}, at_once=10)) == 1500
    assert answering.left == 500


def test_the_next_address_is_asked_only_where_none_answers_before() -> None:
    first, second = ("10.0.0.2", 7443), ("10.0.1.2", 7443)
    assert run(Schedule([], [candidate(first, second)]), {first}) == [first]
    assert run(Schedule([], [candidate(first, second)]), set()) == [first, second]
    assert run(Schedule([first], [candidate(first, second, box="a")]), set(), at_once=3) == [first, second]


def test_the_silent_are_asked_once_more_when_all_others_were_and_that_has_an_end_too() -> None:
    boxes = [candidate((f"10.0.{n // 250}.{n % 250}", 7443), box=f"x{n}") for n in range(100)]
    schedule = Schedule([("10.9.9.9", 1)], boxes)
    asked: list[Place] = []
    while (place := schedule.take()) is not None:
        assert schedule.patient == (len(asked) >= 101)
        asked.append(place)
        # A named one is not announced: it was asked in any case, and that is all.
        schedule.tell(place, answered=len(asked) > 101, took_s=1.5, silent=len(asked) <= 101)
    assert Counter(Counter(asked).values()) == {1: 1, 2: 100}

    schedule = Schedule([], boxes)
    again = 0
    while (place := schedule.take()) is not None:
        again += schedule.patient
        schedule.tell(place, answered=False, took_s=1.5, silent=True)
    assert 40 <= again <= 45


def test_what_was_set_aside_is_asked_last_and_not_counted_as_left() -> None:
    foreign = [candidate((f"10.78.4.{number}", 7443), lane="") for number in range(64)]
    true = candidate(("10.77.1.2", 7443))
    schedule = Schedule([], foreign, aside=[true])
    assert run(schedule, {("10.77.1.2", 7443)}, took_s=0.0)[64] == ("10.77.1.2", 7443)
    cut = Schedule([], foreign, aside=[true], most=60)
    run(cut, set(), took_s=0.0)
    assert cut.left == 4
