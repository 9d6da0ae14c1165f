"""The paper's question sets as one table: source, licence, counts, answer kind, layout, citation.

Pure data and checks. Reading the files is the ingest step's; the row mappings are in
`published_rows`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from storage.errors import InputError
from storage.records import AnswerKind, Domain
from tasks.rules.questions import published_rows as published_rows
from tasks.rules.questions.published_rows import PublishedRow, Row

HUB = "huggingface.co/datasets"
GITHUB = "github.com"


@dataclass(frozen=True)
class PublishedSet:
    """A published question set.

    `files` and `counts` are by published split; `splits` says which ones train.

    `hub` is the repository's name at `host`; only what lies on the hub of `huggingface_hub` can be
    fetched.
    """

    name: str
    domain: Domain
    hub: str
    files: Mapping[str, str]
    counts: Mapping[str, int]
    splits: Mapping[str, str]
    answer_kind: AnswerKind | None
    row: Callable[[Row], PublishedRow | None]
    licence: str
    redistributable: bool
    citation: str
    notes: str = ""
    config: str = ""
    hidden_labels: frozenset[str] = field(default_factory=frozenset[str])
    host: str = HUB

    @property
    def url(self) -> str:
        return f"https://{self.host}/{self.hub}"

    @property
    def splits_taken(self) -> list[str]:
        """Published splits that are read; the train splits of an out-of-domain set are not."""
        return [
            split
            for split in self.files
            if self.domain == "in_domain" or self.splits.get(split) != "train"
        ]


# published split -> ours; `test` is divided between gate and final
TRAIN_TEST = {"train": "train", "test": "test"}
TRAIN_DEV_TEST = {"train": "train", "validation": "train", "test": "test"}
ANLI_PARTS = tuple(f"{part}_r{number}" for number in (1, 2, 3) for part in ("train", "dev", "test"))
STRATEGYQA_CITATION = "Geva et al., Did Aristotle Use a Laptop?, TACL 2021"
STRATEGYQA_NOTES = (
    "The released code uses a hub copy split 1,603 / 687; the official test labels are hidden"
)

PUBLISHED_SETS: tuple[PublishedSet, ...] = (
    PublishedSet(
        "gsm8k",
        "in_domain",
        "openai/gsm8k",
        {"train": "main/train-00000-of-00001.parquet", "test": "main/test-00000-of-00001.parquet"},
        {"train": 7473, "test": 1319},
        TRAIN_TEST,
        "number",
        published_rows.gsm8k,
        "MIT",
        True,
        "Cobbe et al., Training Verifiers to Solve Math Word Problems, 2021",
        config="main",
    ),
    PublishedSet(
        "numglue",
        "in_domain",
        "metaeval/num-glue",
        {
            "train": "NumGLUE_train.json",
            "validation": "NumGLUE_dev.json",
            "test": "NumGLUE_test.json",
        },
        {"all": 101_835},
        TRAIN_DEV_TEST,
        None,
        published_rows.numglue,
        "MIT",
        True,
        "Mishra et al., NumGLUE, ACL 2022",
        "Only the total over the three files is published. Kinds differ by task type; the released"
        " code takes types 1, 2, 8 without blanks, and type 5 with a number",
    ),
    PublishedSet(
        "strategyqa",
        "in_domain",
        "eladsegal/strategyqa",
        {"train": "data/strategyqa/train.json", "validation": "data/strategyqa/dev.json"},
        {"train": 2061, "validation": 229},
        {"train": "train", "validation": "test"},
        "boolean",
        published_rows.strategyqa,
        "MIT",
        True,
        STRATEGYQA_CITATION,
        STRATEGYQA_NOTES,
        host=GITHUB,
    ),
    PublishedSet(
        "strategyqa_facts",
        "in_domain",
        "eladsegal/strategyqa",
        {"train": "data/strategyqa/train.json", "validation": "data/strategyqa/dev.json"},
        {"train": 2061, "validation": 229},
        {"train": "train", "validation": "test"},
        "boolean",
        published_rows.strategyqa_with_facts,
        "MIT",
        True,
        STRATEGYQA_CITATION,
        STRATEGYQA_NOTES,
        host=GITHUB,
    ),
    PublishedSet(
        "reclor",
        "in_domain",
        "metaeval/reclor",
        {"train": "train.json", "validation": "val.json", "test": "test.json"},
        {"train": 4638, "validation": 500, "test": 1000},
        {"train": "train", "validation": "test"},
        "choice",
        published_rows.reclor,
        "non-commercial research use only",
        False,
        "Yu et al., ReClor, ICLR 2020",
        "May not be redistributed; the test labels are hidden, so it is counted only",
        hidden_labels=frozenset({"test"}),
    ),
    PublishedSet(
        "arc_challenge",
        "in_domain",
        "allenai/ai2_arc",
        {
            part: f"ARC-Challenge/{part}-00000-of-00001.parquet"
            for part in ("train", "validation", "test")
        },
        {"train": 1119, "validation": 299, "test": 1172},
        TRAIN_DEV_TEST,
        "choice",
        published_rows.labelled_choices,
        "CC BY-SA 4.0",
        True,
        "Clark et al., AI2 Reasoning Challenge, 2018",
        "Labels 1-4 of some rows become A-D",
        config="ARC-Challenge",
    ),
    PublishedSet(
        "svamp",
        "out_of_domain",
        "arkilpatel/SVAMP",
        {"test": "SVAMP.json"},
        {"test": 1000},
        {"test": "test"},
        "number",
        published_rows.svamp,
        "MIT",
        True,
        "Patel et al., SVAMP, NAACL 2021",
        "All 1,000 are test; a hub copy splits them 700 / 300. chal-680 is labelled 1 where its"
        " equation gives 5",
        host=GITHUB,
    ),
    PublishedSet(
        "asdiv",
        "out_of_domain",
        "EleutherAI/asdiv",
        {"validation": "asdiv/validation-00000-of-00001.parquet"},
        {"validation": 2305},
        {"validation": "test"},
        None,
        published_rows.asdiv,
        "CC BY-NC 4.0",
        False,
        "Miao et al., ASDiv, ACL 2020",
        "Non-commercial; some answers are names, ratios or pairs and are of kind text",
    ),
    PublishedSet(
        "aqua_rat",
        "out_of_domain",
        "deepmind/aqua_rat",
        {
            "train": "raw/train-00000-of-00001.parquet",
            "validation": "raw/validation-00000-of-00001.parquet",
            "test": "raw/test-00000-of-00001.parquet",
        },
        {"train": 97_467, "validation": 254, "test": 254},
        TRAIN_DEV_TEST,
        "choice",
        published_rows.aqua_rat,
        "Apache-2.0",
        True,
        "Ling et al., Program Induction by Rationale Generation, ACL 2017",
        "The paper uses only test; some rows repeat an option's text",
        config="raw",
    ),
    PublishedSet(
        "openbookqa",
        "out_of_domain",
        "allenai/openbookqa",
        {part: f"main/{part}-00000-of-00001.parquet" for part in ("train", "validation", "test")},
        {"train": 4957, "validation": 500, "test": 500},
        TRAIN_DEV_TEST,
        "choice",
        published_rows.labelled_choices,
        "Apache-2.0",
        True,
        "Mihaylov et al., Can a Suit of Armor Conduct Electricity?, EMNLP 2018",
        config="main",
    ),
    PublishedSet(
        "bbh",
        "out_of_domain",
        "lukaemon/bbh",
        {"test": "*/test-00000-of-00001.parquet"},
        {"test": 6511},
        {"test": "test"},
        None,
        published_rows.bbh,
        "MIT",
        True,
        "Suzgun et al., Challenging BIG-Bench Tasks, 2022",
        "27 tasks, 250 rows each but causal_judgement 187, penguins_in_a_table 146, snarks 178;"
        " kinds by target",
    ),
    PublishedSet(
        "anli",
        "out_of_domain",
        "facebook/anli",
        {part: f"plain_text/{part}-00000-of-00001.parquet" for part in ANLI_PARTS},
        {
            "train_r1": 16_946,
            "dev_r1": 1000,
            "test_r1": 1000,
            "train_r2": 45_460,
            "dev_r2": 1000,
            "test_r2": 1000,
            "train_r3": 100_459,
            "dev_r3": 1200,
            "test_r3": 1200,
        },
        {part: "train" if part.startswith("train") else "test" for part in ANLI_PARTS},
        "choice",
        published_rows.anli,
        "CC BY-NC 4.0",
        False,
        "Nie et al., Adversarial NLI, ACL 2020",
        "Non-commercial",
    ),
)


def published_set(name: str) -> PublishedSet:
    """The set of that name; raises InputError naming those that there are."""
    for one in PUBLISHED_SETS:
        if one.name == name:
            return one
    raise InputError(
        f"A published question set is one of {', '.join(one.name for one in PUBLISHED_SETS)}; found"
        f" {name!r}."
    )


def check_counts(known: PublishedSet, found: Mapping[str, int]) -> None:
    """Raises InputError where a file has another number of rows than was published.

    `found` is by published split.
    """
    expected = dict(known.counts)
    if "all" in expected and len(found) == len(known.files):
        found = {"all": sum(found.values())}
    for split, rows in found.items():
        if split in expected and rows != expected[split]:
            raise InputError(
                f"{known.name} {split} has {expected[split]} rows as published; found {rows}. Fetch"
                f" {known.url} ({known.files.get(split, 'all files')}) again, or ingest it under"
                " another name."
            )
