"""What a fitting tells of how far it is."""

from itertools import pairwise


class ToldProgress:
    """Takes the calls of a `Progress`."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int, note: str) -> None:
        self.calls.append((done, total))

    def phases(self) -> list[tuple[int, int]]:
        """(the most that was done, in all) of each phase; each begins with nothing done and only goes on."""
        starts = [place for place, (done, _) in enumerate(self.calls) if not done]
        assert starts[:1] == [0]
        found = []
        for start, end in pairwise([*starts, len(self.calls)]):
            phase = self.calls[start:end]
            assert len({total for _, total in phase}) == 1
            assert all(before[0] < after[0] for before, after in pairwise(phase))
            assert phase[-1][0] <= phase[-1][1]
            found.append(phase[-1])
        return found
