"""Every kind of answered list and what it says, written out by hand.

Items a (x red), b (x blue), c and d (y red); queries x, y, red. A letter a node of the list: C clicked, N Not Care,
R refused, U unread. The first reading is that of Definition D.1, the second that of F.2.
"""

from dataclasses import dataclass

import torch
from rival_cases import shapes_graph, view_of_scores

from magus_pyg.data import Sessions
from magus_pyg.graph import find_query, item_node
from magus_pyg.simulation import AnsweredList, Feedback, Said, SessionView

LETTERS = {"C": Said.CLICKED, "N": Said.NOT_CARE, "R": Said.REFUSED, "U": Said.UNREAD}
LENGTH = 4
"""N, longer than most lists."""

_TABLE = """
    a       | -   | -       | R    | R
    a       | a   | -       | C    | C
    x       | -   | -       | R    | R
    x       | x   | -       | C    | C
    x       | -   | x       | N    | N
    a c     | -   | -       | RR   | RR
    a c     | a   | -       | CR   | CR
    a c     | c   | -       | RC   | RC
    a x     | a   | -       | CU   | CR
    a x     | x   | -       | RC   | RC
    a x     | a   | x       | CN   | CN
    x y red | -   | -       | RRR  | RRR
    x y red | x   | -       | CUU  | CRR
    x y red | y   | -       | RCU  | RCR
    x y red | red | -       | RRC  | RRC
    x y red | -   | y       | RNR  | RNR
    x y red | -   | x y red | NNN  | NNN
    x y red | x   | y       | CNU  | CNR
    x y red | y   | x       | NCU  | NCR
    x y red | red | y       | RNC  | RNC
    x y red | x   | y red   | CNN  | CNN
    x a y   | -   | -       | RRR  | RRR
    x a y   | a   | -       | UCU  | RCR
    x a y   | x   | -       | CRU  | CRR
    x a y   | y   | -       | RRC  | RRC
    x a y   | -   | x       | NRR  | NRR
    x a y   | a   | y       | UCN  | RCN
    x a y   | x   | y       | CRN  | CRN
    x a y   | y   | x       | NRC  | NRC
    a x c y | -   | -       | RRRR | RRRR
    a x c y | a   | -       | CURU | CRRR
    a x c y | x   | -       | RCRU | RCRR
    a x c y | c   | -       | RUCU | RRCR
    a x c y | y   | -       | RRRC | RRRC
    a x c y | -   | x y     | RNRN | RNRN
    a x c y | a   | x       | CNRU | CNRR
    a x c y | c   | y       | RUCN | RRCN
    a x c y | y   | x       | RNRC | RNRC
    x y a c | -   | -       | RRRR | RRRR
    x y a c | x   | -       | CURR | CRRR
    x y a c | y   | -       | RCRR | RCRR
    x y a c | a   | -       | UUCR | RRCR
    x y a c | c   | y       | UNRC | RNRC
"""


GRAPH = shapes_graph()
NODE = {item: item_node(GRAPH, item) for item in "abcd"} | {
    word: find_query(GRAPH, [word]) or -1 for word in ("x", "y", "red")
}
ITEMS_OF = {"a": {"a"}, "b": {"b"}, "c": {"c"}, "d": {"d"}, "x": {"a", "b"}, "y": {"c", "d"}, "red": {"a", "c", "d"}}
"""The items that contain a node."""


@dataclass(frozen=True)
class Row:
    """A row of the table, by names."""

    shown: list[str]
    clicked: str | None
    not_care: list[str]
    read: str
    """Of Definition D.1, a letter a node."""
    refused: str
    """Of F.2."""

    def __str__(self) -> str:
        return f"{' '.join(self.shown)}, click {self.clicked}, not care {' '.join(self.not_care) or None}"

    @property
    def answer(self) -> AnsweredList:
        clicked = None if self.clicked is None else NODE[self.clicked]
        return AnsweredList(nodes(self.shown), clicked, nodes(self.not_care))

    @property
    def kinds(self) -> list[str]:
        """ "i" for an item and "q" for a query."""
        return ["i" if name in "abcd" else "q" for name in self.shown]

    def those(self, letters: str, all_refused: bool = False) -> list[str]:
        """The names of which one of the letters is said."""
        said = self.refused if all_refused else self.read
        return [name for name, letter in zip(self.shown, said, strict=True) if letter in letters]


def nodes(names: list[str]) -> tuple[int, ...]:
    return tuple(NODE[name] for name in names)


def _row(line: str) -> Row:
    shown, clicked, not_care, read, refused = (cell.strip() for cell in line.split("|"))
    others = [] if not_care == "-" else not_care.split()
    return Row(shown.split(), None if clicked == "-" else clicked, others, read, refused)


ROWS = [_row(line) for line in _TABLE.strip().splitlines()]


def table_sessions(rows: list[Row]) -> Sessions:
    """A session of all items for each row; a is the target."""
    count = len(rows)
    return Sessions(
        torch.zeros(count, dtype=torch.int64), torch.arange(4).repeat(count, 1), (torch.arange(4) == 0).repeat(count, 1)
    )


def table_feedback(rows: list[Row], node: torch.Tensor) -> Feedback:
    """The answers of rows, a session a row; `node` int64 [B, M] are the nodes of its slots."""
    shown = torch.full((len(rows), LENGTH), -1)
    clicked = torch.full((len(rows),), -1)
    not_care = torch.zeros((len(rows), LENGTH), dtype=torch.bool)
    for number, row in enumerate(rows):
        slots = node[number].tolist()
        for place, name in enumerate(row.shown):
            shown[number, place] = slots.index(NODE[name])
            not_care[number, place] = name in row.not_care
            if name == row.clicked:
                clicked[number] = place
    return Feedback(shown, clicked, not_care, torch.ones(len(rows), dtype=torch.bool))


SCORES = torch.tensor([[0.9, 0.2, 0.6, 0.1]], dtype=torch.float64)
"""Of the items a to d, for the one user."""


def view_of(rows: list[Row]) -> SessionView:
    """What agents see of a session a row."""
    return view_of_scores(GRAPH, SCORES, 3, LENGTH, table_sessions(rows))
