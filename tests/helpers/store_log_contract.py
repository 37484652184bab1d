"""What every store must do with the log, changes and jobs; a part of `store_contract`."""

from dataclasses import replace

from store_records import START, event, reply, row, rows_of, session

from magus_pyg.serve.stores import (
    Gone,
    Job,
    LoggedChange,
    Outcome,
    Store,
    StoredSession,
)


class StoreLogContract:
    """See `StoreContract`."""

    # The log

    def test_the_log_is_read_in_pages_and_keeps_its_numbers(self, store: Store) -> None:
        store.create(session(), [row(round=number) for number in range(7)])
        pages = [store.read_rows(0, 3), store.read_rows(3, 3), store.read_rows(6, 3), store.read_rows(7, 3)]
        assert [[found.number for found in page] for page in pages] == [[1, 2, 3], [4, 5, 6], [7], []]
        assert (store.read_rows(0, 0), store.read_rows(0, -1), store.read_rows(-5, 1)) == ([], [], pages[0][:1])
        assert (store.count_rows(2, 5), store.count_rows(8, 99), store.count_rows(5, 2)) == (4, 0, 0)
        store.purge(START + 1)
        assert (rows_of(store), store.count_rows(1, 7)) == ([], 0)
        store.create(session("t"), [row("t")])
        assert rows_of(store) == [row("t", number=8)]

    def test_rows_and_events_keep_every_value(self, store: Store) -> None:
        full = row(
            round=3,
            recommendation_id="r",
            shown=["milk", [["brand", "Alpro"], ["kind", "oat"]]],
            clicked=0,
            not_care=[1],
            words=[["kind", "oat"]],
            liked=False,
            user_hash="h",
            experiment="e",
            arm="a",
            edition="2",
            run="r",
            variant="bayes",
            list_length=6,
            rounds=10,
        )
        store.create(session(), [full])
        assert rows_of(store) == [replace(full, number=1)]
        bought = event(recommendation_id="r", session_id="s", user_hash="h", time=START + 1 / 7)
        assert store.append_events([bought]) == [True]
        assert store.read_events(0, 9) == [replace(bought, number=1)]

    def test_an_event_is_kept_once(self, store: Store) -> None:
        assert store.append_events([event("a"), event("b"), event("a", kind="view")], reply()) == [True, True, False]
        assert store.find_reply("a", "k") == reply(body="[1,1,0]")
        assert store.append_events([event("b"), event("c")]) == [False, True]
        found = store.read_events(0, 9)
        assert [(entry.event_id, entry.kind) for entry in found] == [(name, "purchase") for name in "abc"]
        numbers = [entry.number for entry in found]
        assert numbers == sorted(set(numbers))  # perhaps with gaps
        assert store.read_events(numbers[0], 1) == found[1:2]
        assert store.append_events([], reply("none")) == []
        assert store.find_reply("a", "none") == reply("none", body="[]")
        assert (store.count_events(*numbers[:2]), store.read_events(0, 0)) == (2, [])

    def test_retention_removes_what_is_older(self, store: Store) -> None:
        times = [START + 5, START + 9, START + 10, START + 1]
        store.create(session(), [row(time=time) for time in times])
        store.append_events([event(str(time), time=time) for time in times])
        assert store.purge(START + 9) == 4
        assert [found.time for found in rows_of(store)] == [START + 9, START + 10]
        assert [found.time for found in store.read_events(0, 9)] == [START + 9, START + 10]
        assert store.purge(START + 9) == 0
        assert store.append_events([event(str(START + 1))]) == [True]

    def test_a_person_is_erased_everywhere(self, store: Store) -> None:
        store.create(session("mine", user_hash="h"), [row("mine", user_hash="h")], reply("m", session_id="mine"))
        store.create(session("guest"), [row("guest")])
        store.replace(session("guest", user_hash="h"), 0)
        store.create(session("past", user_hash="h"), [row("past", user_hash="h"), row("past")])
        store.delete("past")
        store.create(session("ended"), [row("ended", user_hash="h"), row("ended")])
        store.create(session("other", user_hash="i"), [row("other", user_hash="i")], reply("o", session_id="other"))
        store.append_events(
            [event("1", user_hash="h"), event("2", session_id="mine"), event("3", session_id="other"), event("4")]
        )
        # two sessions, four rows (mine, guest, ended twice), two events
        assert store.erase_user("h") == 8
        assert store.load("mine") == Gone("mine", "deleted")
        assert store.load("guest") == Gone("guest", "deleted")
        assert isinstance(store.load("other"), StoredSession)
        assert [found.session_id for found in rows_of(store)] == ["other"]
        assert [found.event_id for found in store.read_events(0, 9)] == ["3", "4"]
        assert store.find_reply("a", "m") is None
        assert store.find_reply("a", "o") is not None
        assert (store.erase_user("h"), store.erase_user("never")) == (0, 0)
        assert store.replace(session("mine", user_hash="h"), 0, [row("mine")]) == Outcome.GONE

    # Changes and jobs

    def test_changes_have_one_order(self, store: Store) -> None:
        changes = [{"kind": "remove", "items": [f"i{number}"]} for number in range(5)]
        assert [store.append_change(change) for change in changes] == [1, 2, 3, 4, 5]
        logged = [LoggedChange(number + 1, change) for number, change in enumerate(changes)]
        assert store.changes_since(0) == logged
        assert store.changes_since(2, 2) == logged[2:4]
        assert store.changes_since(-3, 1) == logged[:1]
        assert (store.changes_since(5), store.changes_since(0, 0)) == ([], [])

    def test_a_change_comes_with_its_job_and_reply(self, store: Store) -> None:
        job = Job("j", "items:batch", "waiting", 0, 3, {"change": 1}, START)
        assert store.append_change({}, job, reply()) == 1
        assert store.load_job("j") == job
        assert store.find_reply("a", "k") == reply()
        done = replace(job, state="done", done=3, detail={})
        store.put_job(done)
        assert store.load_job("j") == done
        assert store.load_job("other") is None
