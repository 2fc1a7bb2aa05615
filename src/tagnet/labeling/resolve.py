"""Several annotators, one record: whose tags it gets.

An annotator's latest answer is the one that counts; who skipped last says nothing. What is left are the votes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import accumulate
from typing import Literal, get_args

from tagnet.errors import ConfigError, MissingExtraError, nearest
from tagnet.labeling.answers import UNKNOWN, Answer, moment

Rule = Literal["latest", "majority", "dawid-skene"]
_EM_STEPS = 50
RULES: tuple[Rule, ...] = get_args(Rule)


def check_rule(name: str) -> Rule:
    """The rule of that name.

    Raises:
        ConfigError: there is none.
    """
    for rule in RULES:
        if rule == name:
            return rule
    raise ConfigError(f"--resolve: expected {', '.join(RULES)}; found {name!r}{nearest(name, RULES)}")


def votes(answers: Sequence[Answer]) -> list[Answer]:
    """The answers to one record that count, the latest last.

    An answer without a time is as late as the latest one before it in the log: who writes a sheet corrects what came
    in before.

    Args:
        answers: in the order of the log, which decides where the times do not.

    >>> from tagnet.labeling.answers import make_answer
    >>> ann = [make_answer(1, [], ["a"], annotator="ann", at=at) for at in ("2026-11-02", "2026-11-01")]
    >>> bob = make_answer(1, [], None, annotator="bob")
    >>> [(each.annotator, each.at) for each in votes([*ann, bob])]
    [('ann', '2026-11-02')]
    """
    times = [moment(answer.at) for answer in answers]
    latest_so_far = list(accumulate(times, max))
    when = [latest if time == UNKNOWN else time for time, latest in zip(times, latest_so_far, strict=True)]
    last: dict[str | None, Answer] = {}
    for _, answer in sorted(zip(when, answers, strict=True), key=lambda pair: pair[0]):
        last.pop(answer.annotator, None)
        last[answer.annotator] = answer
    return [answer for answer in last.values() if not answer.skipped]


def resolve(
    votes_of: Mapping[str, Sequence[Answer]],
    tags_of: Mapping[str, Collection[str]],
    rule: Rule,
    progress: Callable[[int, int], object] | None = None,
) -> dict[str, tuple[str, ...]]:
    """The tags of each record that has votes.

    Args:
        votes_of: record → the answers that count, the latest last, at least one.
        tags_of: record → its tags until now.
        rule: `latest`, `majority` (more than half; where there are as many for a tag as against it, what the record had
            stands), or `dawid-skene` (what each annotator is likely to get wrong is learned from all records at once;
            where one annotator alone answered, the answer stands). A. P. Dawid and A. M. Skene, "Maximum likelihood
            estimation of observer error-rates using the EM algorithm", Applied Statistics 28 (1979), one model a tag.
        progress: called with the models that are learned and their number; a model takes about a tenth of a second.

    Raises:
        MissingExtraError: `dawid-skene` needs the label extra.
    """
    if rule == "latest":
        return {record: given[-1].tags for record, given in votes_of.items()}
    if rule == "majority":
        return {record: majority(given, tags_of[record]) for record, given in votes_of.items()}
    shared = {record: given for record, given in votes_of.items() if len(given) > 1}
    learned = _dawid_skene(votes_of, progress) if shared else {}
    return {record: learned[record] if record in shared else given[-1].tags for record, given in votes_of.items()}


def majority(given: Sequence[Answer], before: Collection[str]) -> tuple[str, ...]:
    """The tags that more than half of the annotators want, and of those that half of them want what was there before.

    >>> from tagnet.labeling.answers import make_answer
    >>> given = [make_answer(1, ["a", "b"], chosen) for chosen in (["a", "c"], ["b", "c"])]
    >>> majority(given, ["a"])
    ('a', 'c')
    """
    wanted = dict.fromkeys(tag for answer in given for tag in answer.tags)
    balance = {tag: sum(1 if tag in answer.tags else -1 for answer in given) for tag in wanted}
    return tuple(tag for tag in wanted if balance[tag] > 0 or (balance[tag] == 0 and tag in before))


def _dawid_skene(
    votes_of: Mapping[str, Sequence[Answer]], progress: Callable[[int, int], object] | None
) -> dict[str, tuple[str, ...]]:
    """One binary model for each tag on which annotators differ somewhere; all other tags are as all want them."""
    wanted = {record: dict.fromkeys(tag for each in given for tag in each.tags) for record, given in votes_of.items()}
    disputed = {
        tag
        for record, given in votes_of.items()
        for tag in wanted[record]
        if any(tag not in answer.tags for answer in given)
    }
    accepted = {}
    for done, tag in enumerate(sorted(disputed), 1):
        accepted[tag] = _accepted(votes_of, tag)
        if progress is not None:
            progress(done, len(disputed))
    return {
        record: tuple(tag for tag in tags if tag not in disputed or record in accepted[tag])
        for record, tags in wanted.items()
    }


def _accepted(votes_of: Mapping[str, Sequence[Answer]], tag: str) -> set[str]:
    """The records that have a tag, by the model of that tag."""
    try:
        import pandas as pd
        from crowdkit.aggregation import DawidSkene
    except ImportError as fault:
        raise MissingExtraError(
            "--resolve dawid-skene needs packages that are not installed: crowd-kit.\n"
            "Install them with: pip install 'tagnet[label]'"
        ) from fault
    rows = [
        (record, answer.annotator or "", tag in answer.tags) for record, given in votes_of.items() for answer in given
    ]
    with warnings.catch_warnings():
        # crowd-kit 1.4 speaks to pandas as pandas 3 no longer wants it.
        warnings.simplefilter("ignore", DeprecationWarning)
        labels = DawidSkene(n_iter=_EM_STEPS).fit_predict(pd.DataFrame(rows, columns=["task", "worker", "label"]))
    return {str(record) for record, label in labels.items() if label}
