from magus_pyg.language.model_texts import Breaker


def test_after_failures_in_a_row_nothing_is_asked_for_a_while_then_one_request_tries():
    now = 0.0
    breaker = Breaker(2, 30.0, lambda: now)
    breaker.note(failed=True)
    breaker.note(failed=False)
    breaker.note(failed=True)
    assert breaker.allows(), "not in a row"
    breaker.note(failed=True)
    assert not breaker.allows()
    now = 29.9
    assert not breaker.allows()
    now = 30.0
    assert [breaker.allows() for _ in range(3)] == [True, False, False], "one trial"
    breaker.note(failed=True)
    assert not breaker.allows()
    now = 60.0
    assert breaker.allows()
    breaker.note(failed=False)
    assert all(breaker.allows() for _ in range(3))
