"""How the paper's claims fare, as tables of a page: all in one, and one after the other."""

from collections import Counter
from collections.abc import Sequence

from _claims import VERDICTS, Finding, find
from _plan import Claim, Plan
from _results import Results


def claim_lines(plan: Plan, results: Results) -> list[str]:
    """Markdown: a table of all claims of a plan, then for each how it fares by reading, data set and metric."""
    found = [find(plan, results, claim) for claim in plan.claims]
    lines = _overview(plan, found)
    for number, (claim, findings) in enumerate(zip(plan.claims, found, strict=True), start=1):
        lines += ["", f"### {number}. {claim.says}", "", f"{claim.place}. {_compared(claim)}", ""]
        lines += _claim_table(claim, findings) if findings else ["Not played yet."]
    return lines


def _overview(plan: Plan, found: Sequence[Sequence[Finding]]) -> list[str]:
    """A row a claim: in each reading, in how many data sets and metrics which verdict stands.

    What is about no reading stands in the first column.
    """
    readings = list(plan.readings)
    lines = [f"| claim | {' | '.join(readings)} |", f"|---|{'---|' * len(readings)}"]
    for number, (claim, findings) in enumerate(zip(plan.claims, found, strict=True), start=1):
        counts: dict[str, Counter[str]] = {reading: Counter() for reading in readings}
        for each in findings:
            counts[each.reading or readings[0]][each.verdict(claim.below)] += 1
        told = [
            ", ".join(f"{verdict} {verdicts[verdict]}" for verdict in VERDICTS if verdicts[verdict])
            for verdicts in counts.values()
        ]
        lines.append(f"| {number}. {claim.says} | {' | '.join(told)} |")
    return lines


def _claim_table(claim: Claim, findings: Sequence[Finding]) -> list[str]:
    """A row a reading and data set, a column a metric."""
    metrics = [metric for metric in claim.metrics if any(each.metric == metric for each in findings)]
    rows: dict[tuple[str, str], dict[str, Finding]] = {}
    for each in findings:
        rows.setdefault((each.reading, each.dataset), {})[each.metric] = each
    return [
        f"| reading | data | {' | '.join(metrics)} |",
        f"|---|---|{'---|' * len(metrics)}",
        *(
            f"| {reading or 'any'} | {dataset} | "
            f"{' | '.join(_verdict(claim, row[metric]) if metric in row else '' for metric in metrics)} |"
            for (reading, dataset), row in rows.items()
        ),
    ]


def _verdict(claim: Claim, finding: Finding) -> str:
    """The mean difference and what it says, with its spread where there are several comparisons."""
    told = f"{finding.difference:+.3f} {finding.verdict(claim.below)}"
    if finding.cells == 1:
        return told
    told += f" ({finding.low:+.3f} to {finding.high:+.3f}"
    if finding.ahead is not None:
        told += f"; {finding.ahead} ahead, {finding.behind} behind"
    return f"{told} of {finding.cells})"


def _compared(claim: Claim) -> str:
    told = "; ".join(
        f"{key} {', '.join(value) if isinstance(value, list) else value}" for key, value in claim.than.items()
    )
    beside = f" ({told}: means alone)" if told else ""
    return f"Compared: `{claim.first}` with {', '.join(f'`{name}`' for name in claim.second)}{beside}."
