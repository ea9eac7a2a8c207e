"""Everything that is told of the recordings: each verdict, each comparison with its evidence, and each ruling.

    python -m tests.labs.judged > before.txt

What only moves code leaves this as it is, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator

from fourtuple.evidence import rundir
from fourtuple.report import court, report

from ..conftest import RECORDINGS


def lines() -> Iterator[str]:
    """One line for each verdict, comparison and ruling, in the order of the recordings' names."""
    reports = []
    for path in sorted(path for path in RECORDINGS.iterdir() if path.is_dir()):
        reports.append(judged := report.judge(rundir.load(path)))
        yield f"{path.name}: {judged.lab.title}: {judged.summary}"
        for verdict in judged.verdicts:
            yield f"  {verdict.name}: {verdict.outcome.value}: {verdict.says}: {verdict.why}"
            for check in verdict.checks:
                words = f"{check.about}: want {report.words(check.want)}, got {report.words(check.got)}"
                yield f"    {words}: {', '.join(map(str, check.seen))}: {dict(check.answers)}"
    for judgement in court.judge(reports):
        yield f"{judgement.saying.id}: {judgement.ruling.value}: {judgement.saying.says}: {judgement.why}"
        for answer in judgement.answers:
            yield f"  {answer.so}: {answer.check.about}"


if __name__ == "__main__":
    print(*lines(), sep="\n")  # noqa: T201
