"""Playing sessions: the agent protocol, users, the loop, records and metrics.

Agents are in `agents`; a real person's session is in `online`.
"""

from magus_pyg.simulation.answers import AnsweredList, Said, first_click, said
from magus_pyg.simulation.bootstrap import bootstrap_interval
from magus_pyg.simulation.loop import simulate
from magus_pyg.simulation.prepare import PreparedSessions, prepare_sessions, score_candidates, session_numbers
from magus_pyg.simulation.protocol import Agent, Feedback, Learner, Play, Scorer, SessionView
from magus_pyg.simulation.record_table import ANSWER_COLUMNS, RECORD_COLUMNS
from magus_pyg.simulation.session_metrics import session_metrics, summarize
from magus_pyg.simulation.users import (
    Answer,
    DriftingUser,
    ImpatientUser,
    Moment,
    NoisyUser,
    NotCareUser,
    ShownList,
    Spoken,
    TruthfulUser,
    User,
)
from magus_pyg.simulation.word_users import ReaderUser, WriterUser

__all__ = [
    "ANSWER_COLUMNS",
    "RECORD_COLUMNS",
    "Agent",
    "Answer",
    "AnsweredList",
    "DriftingUser",
    "Feedback",
    "ImpatientUser",
    "Learner",
    "Moment",
    "NoisyUser",
    "NotCareUser",
    "Play",
    "PreparedSessions",
    "ReaderUser",
    "Said",
    "Scorer",
    "SessionView",
    "ShownList",
    "Spoken",
    "TruthfulUser",
    "User",
    "WriterUser",
    "bootstrap_interval",
    "first_click",
    "prepare_sessions",
    "said",
    "score_candidates",
    "session_metrics",
    "session_numbers",
    "simulate",
    "summarize",
]
