"""The data set card: what a built data set is, what it was made from, and under which licences."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from text2sql_lightning.data.sources import EMBEDDED_SOURCE, HUB_NAME


class _Terms(NamedTuple):
    """Licence of a source: the hub's identifier, and what has to be said."""

    licence: str
    text: str


_TERMS: Final = {
    HUB_NAME: _Terms(
        "cc-by-4.0",
        f"[{HUB_NAME}](https://huggingface.co/datasets/{HUB_NAME}), CC-BY-4.0. It was built from "
        "[WikiSQL](https://github.com/salesforce/WikiSQL) (Zhong, Xiong and Socher, 2017; BSD-3-Clause) and "
        "[Spider](https://yale-lily.github.io/spider) (Yu et al., 2018; CC BY-SA 4.0). Changes made here: rows "
        "dropped, schemas and queries repaired, letter case of literals, schemas extended; the report counts them.",
    ),
    EMBEDDED_SOURCE: _Terms("apache-2.0", "The sample of the text2sql_lightning package, Apache-2.0."),
}
_UNKNOWN: Final = _Terms("unknown", "licence unknown to the program that wrote this; fill it in before sharing.")
_SIZES: Final = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def dataset_card(report: Mapping[str, Any]) -> str:
    """Write the card of a data set, with the front matter that the Hugging Face hub reads.

    Args:
        report: What `make_report` collected.

    Returns:
        Markdown.
    """
    return "\n".join([*_front_matter(report), "", *_body(report), "", *_sources(report)]) + "\n"


def _front_matter(report: Mapping[str, Any]) -> list[str]:
    licences = sorted({_TERMS.get(source, _UNKNOWN).licence for source in report["sources"]})
    one = licences[0] if len(licences) == 1 else "other"
    size = next((name for bound, name in _SIZES if report["rows_kept"] < bound), "1M<n<10M")
    splits = [
        line
        for split in report["splits"]
        for line in (f"      - split: {_split_name(split)}", f"        path: {split}.jsonl")
    ]
    return [
        "---", f"license: {one}", "language:", "  - en", "task_categories:", "  - text-generation", "tags:",
        "  - text-to-sql", "  - sql", "size_categories:", f"  - {size}", "configs:", "  - config_name: default",
        "    data_files:", *splits, "---",
    ]  # fmt: skip


def _split_name(split: str) -> str:
    return {"val": "validation"}.get(split, split)


def _body(report: Mapping[str, Any]) -> list[str]:
    counts = ", ".join(f"{entry['records']} in {split}" for split, entry in report["splits"].items())
    apart = (
        "No schema, no question and no query but for literals stands in two splits."
        if report["settings"]["split_by"] == "schema"
        else "Rows were split one by one, so schemas stand in several splits."
    )
    return [
        "# Questions and SQL on their schemas",
        "",
        f"{report['rows_kept']} records, {counts}: a schema and a question in words, and the SQL that answers it "
        f"(`instruction`, `input`, `output`, `source`, `meta`). Every query was run on its schema in SQLite. {apart}",
        "",
        _contamination(report["contamination"]),
        "",
        "`dataset_report.html` shows what was dropped, repaired and found.",
    ]


def _contamination(found: Mapping[str, Any]) -> str:
    if not found["searched"]:
        return (
            "**This data set was not searched for benchmark questions.** It may hold Spider's development set: figures "
            "on that are worth nothing for a model trained on it."
        )
    return (
        f"{len(found['rows'])} rows were removed because a benchmark has the same question, the same query or nearly "
        f"so (searched: {', '.join(found['against'])})."
    )


def _sources(report: Mapping[str, Any]) -> list[str]:
    lines = ["## Sources and licences", ""]
    for source in report["sources"]:
        terms = _TERMS.get(source)
        lines.append(f"* {terms.text}" if terms else f"* `{source.replace('`', ' ')}`: {_UNKNOWN.text}")
    return lines
