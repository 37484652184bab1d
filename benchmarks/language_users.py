"""Success with people who click, who read texts alone, and who write sentences, on trained runs.

python benchmarks/language_users.py RUN ... --candidates 200 --out rows.csv    # plays; rows that are there are kept
python benchmarks/language_users.py --out rows.csv --write                     # their table in docs/language.md
"""

import argparse
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from magus_pyg.agents import BayesState, MagusAgent, MagusOptions
from magus_pyg.agents.bayes import BayesAgent
from magus_pyg.agents.bayes.belief_fitting import fit_temperature
from magus_pyg.data import Sessions
from magus_pyg.runs import Run, load_run
from magus_pyg.runs.run_inputs import playable_sessions
from magus_pyg.simulation import (
    Agent,
    ReaderUser,
    TruthfulUser,
    User,
    WriterUser,
    prepare_sessions,
    simulate,
    summarize,
)
from magus_pyg.simulation.protocol import TOLD_ERROR
from magus_pyg.simulation.word_users import told_error

PAGE = Path(__file__).resolve().parents[1] / "docs" / "language.md"
MARKS = ("<!-- figures -->", "<!-- end of figures -->")

USERS: dict[str, User] = {
    "clicks alone": TruthfulUser(),
    "reader": ReaderUser(),
    "writer without errors": WriterUser(typos=0.0, synonyms=0.0, wrong=0.0),
    "writer, synonyms 0.3": WriterUser(typos=0.0, synonyms=0.3, wrong=0.0),
    "writer, typos 0.3": WriterUser(typos=0.3, synonyms=0.0, wrong=0.0),
    "writer": WriterUser(),
}


def play(run: Run, candidates: int, most: int) -> pd.DataFrame:
    """A row a (user, agent): SA@3 and SA@5 with intervals over users, and the mean rounds to success (6 for none)."""
    config, data = run.config, run.dataset()
    options = replace(config.session_options, candidates=candidates)

    def sessions(part: str) -> Sessions:
        made = playable_sessions(data, run.graph, part, options, config.seed, config.simulation.searches)
        return made.take(torch.arange(min(most, len(made))))

    validation, test = sessions("validation"), sessions("test")
    prepared = prepare_sessions(run.graph, test, run.model)
    temperature = fit_temperature(prepare_sessions(run.graph, validation, run.model))
    rows = []
    for name, user in USERS.items():
        measured = told_error(user, run.graph, validation.candidates, validation.targets, config.seed)
        error = TOLD_ERROR if measured is None else measured
        agents: dict[str, Agent] = {
            "magus": MagusAgent(run.graph, run.model, MagusOptions(told_error=error)),
            "bayes": BayesAgent(run.graph, run.model, BayesState(temperature=temperature, told_error=error)),
        }
        for method, agent in agents.items():
            row: dict[str, object] = {"data set": data.name, "candidates": candidates, "sessions": len(test)}
            row |= {"user": name, "agent": method, "told_error": measured}
            for rounds in (3, 5):
                log = simulate(agent, prepared, user, rounds=rounds, seed=config.seed)
                found = summarize(log, [rounds], seed=config.seed).iloc[0]
                row |= {key: found[key] for key in (f"SA@{rounds}{end}" for end in ("", "_low", "_high"))}
                last = log.groupby("session").tail(1)
                row["rounds"] = float(last["round"].where(last["target_clicked"], rounds + 1).mean())
            rows.append(row)
    return pd.DataFrame(rows)


def table(rows: pd.DataFrame) -> str:
    """The rows as Markdown."""
    lines = [
        "| data set | agent | user | told wrong | SA@3 | SA@5 | rounds to success |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows.sort_values(["data set", "agent"], kind="stable").to_dict("records"):
        wrong = "" if pd.isna(row["told_error"]) else f"{row['told_error']:.1%}"
        success = [f"{row[f'SA@{k}']:.3f} ({row[f'SA@{k}_low']:.3f} to {row[f'SA@{k}_high']:.3f})" for k in (3, 5)]
        cells = [row["data set"], row["agent"], row["user"], wrong, *success, f"{row['rounds']:.2f}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def worth(rows: pd.DataFrame) -> str:
    """What words are worth in rounds to success, and what each kind of error costs, as Markdown."""
    lines = [
        "| data set | agent | words are worth | synonyms cost | typos cost | all errors cost |",
        "|---|---|---|---|---|---|",
    ]
    for (name, agent), group in rows.groupby(["data set", "agent"]):
        took = dict(zip(group["user"], group["rounds"], strict=True))
        clean = took["writer without errors"]
        costs = [took[user] - clean for user in ("writer, synonyms 0.3", "writer, typos 0.3", "writer")]
        cells = [str(name), str(agent), *(f"{value:.2f}" for value in (took["clicks alone"] - clean, *costs))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Play, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*")
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=300, help="most, of each part")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--write", action="store_true", help="write the table of the rows into docs/language.md")
    asked = parser.parse_args()
    rows = pd.read_csv(asked.out) if asked.out.exists() else pd.DataFrame(columns=["data set"])
    for path in asked.runs:
        run = load_run(path)
        if run.config.dataset.name not in set(rows["data set"]):
            rows = pd.concat([rows, play(run, asked.candidates, asked.sessions)], ignore_index=True)
            rows.to_csv(asked.out, index=False)
    print(table(rows))
    if asked.write:
        text = PAGE.read_text(encoding="utf-8")
        before, after = text.split(MARKS[0])[0], text.split(MARKS[1])[1]
        PAGE.write_text(
            f"{before}{MARKS[0]}\n{table(rows)}\n\nIn rounds to success:\n\n{worth(rows)}\n{MARKS[1]}{after}",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
