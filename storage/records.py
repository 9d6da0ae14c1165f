"""The vocabulary: one frozen record for each thing of the method, in chain order, one table each.

Ids are 128-bit and deterministic (`storage.ids`). Each field's text is its documentation; it
becomes the column's comment in the database. Nothing here reads or writes.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Annotated, ClassVar, Literal, get_type_hints
from uuid import UUID

AnswerKind = Literal["number", "expression", "choice", "boolean", "text"]
ANSWER_KINDS: tuple[AnswerKind, ...] = ("number", "expression", "choice", "boolean", "text")
Domain = Literal["in_domain", "out_of_domain"]
Part = Literal["train", "gate", "final"]
# what a chain climbs through: whole, without adapted guidelines, without structures, without both,
# or only the question
LadderStrategy = Literal[
    "regenesis", "no_adaptation", "no_structure", "no_adaptation_no_structure", "direct"
]
# `reference`: the worked solution that a question set comes with, for methods that train on it
Strategy = Literal[LadderStrategy, "reference"]
Label = Literal["correct", "wrong", "unjudged"]
Outcome = Literal["promoted", "refused", "inconclusive"]


@dataclass(frozen=True, kw_only=True)
class QuestionSet:
    """A named source of questions, in domain or out of domain."""

    table: ClassVar[str] = "question_sets"
    id: Annotated[UUID, "Hash of name, source and content digest"]
    name: Annotated[str, "Readable name, unique among current sets"]
    domain: Annotated[Domain, "in_domain (trained on) or out_of_domain (never trained on)"]
    source: Annotated[
        str, "procedural:NAME, the file it was read from, or the address where it is published"
    ]
    digest: Annotated[str, "SHA-256 of the file, or of the generator's settings"]
    mapping: Annotated[str, "JSON: column mapping or generator settings"]
    licence: Annotated[str, "Licence of the source, or empty when not known"]
    citation: Annotated[str, "How to cite the source, or empty"]
    redistributable: Annotated[bool, "Whether the source allows redistribution"]
    created_at: Annotated[datetime, "UTC time of ingest"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question with its reference answer; its part never changes after ingest."""

    # the table's name is part of every id (content_id), so it is never changed
    table: ClassVar[str] = "questions"
    id: Annotated[UUID, "Hash of set, text, choices, answer and kind"]
    question_set_id: Annotated[UUID, "The set it belongs to"]
    source_row_id: Annotated[str, "The source's own row id"]
    part: Annotated[Part, "train, gate (read by the promotion rule) or final (read by no decision)"]
    draw: Annotated[int, "Round that drew it; 0 for a fixed set"]
    text: Annotated[str, "The question as asked"]
    choices: Annotated[list[str], "Texts of the options, A first; empty where there are none"]
    answer: Annotated[str, "Reference answer; empty where there is none"]
    answer_kind: Annotated[AnswerKind, "number, expression, choice, boolean or text"]
    extra: Annotated[str, "JSON: the source's unmapped columns"]
    created_at: Annotated[datetime, "UTC time of ingest"]
    other_answers: Annotated[
        list[str] | None, "Further answers that count as well; null for none"
    ] = None

    @property
    def accepted_answers(self) -> tuple[str, ...]:
        """All that count, the reference answer first."""
        return (self.answer, *(self.other_answers or ()))


@dataclass(frozen=True, kw_only=True)
class Guideline:
    """A general, task-agnostic piece of reasoning advice."""

    table: ClassVar[str] = "guidelines"
    id: Annotated[UUID, "Hash of the text"]
    name: Annotated[str, "Readable short name"]
    position: Annotated[int, "Place in its list, from 1"]
    text: Annotated[str, "The advice"]
    in_hinted_retry: Annotated[bool, "Whether hinted retries use it"]


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A prompt template; replaced by another file, never edited in place."""

    table: ClassVar[str] = "prompts"
    id: Annotated[UUID, "Hash of the text"]
    name: Annotated[str, "adapt, structure, path, direct, answer, ... (the file's stem)"]
    text: Annotated[str, "The template"]


@dataclass(frozen=True, kw_only=True)
class Model:
    """Weights that answer: the base, or the base with an adapter."""

    table: ClassVar[str] = "models"
    id: Annotated[
        UUID, "Hash of weights, tokenizer, chat template and adapter; not of path or precision"
    ]
    name: Annotated[
        str, "Readable name, such as SmolLM2-135M-Instruct or SmolLM2-135M-Instruct+round3"
    ]
    base_model_id: Annotated[UUID, "The base model's id; its own for a base"]
    adapter_id: Annotated[UUID | None, "The adapter on the base; null for a base"]
    revision: Annotated[str, "Digest of the base weights"]
    chat_template_hash: Annotated[str, "SHA-256 of the chat template"]


@dataclass(frozen=True, kw_only=True)
class Generated:
    """What every generated text keeps. The id is the hash of the request, never of the text."""

    id: Annotated[UUID, "Hash of the request: parents, model, prompt, sampling, draw, sample"]
    question_id: Annotated[UUID, "The question at the root"]
    model_id: Annotated[UUID, "The model that wrote it"]
    prompt_id: Annotated[UUID, "The prompt template"]
    sampling: Annotated[str, "JSON: temperature, top_p, top_k, min_p, max_tokens, stop"]
    draw: Annotated[int, "Which fresh draw of samples; the round's number in a round"]
    sample: Annotated[int, "Which of several samples of the same request, from 0"]
    hinted: Annotated[bool, "Whether the reference answer was shown to this chain; for ever"]
    text: Annotated[str, "What the model wrote"]
    finish_reason: Annotated[str, "stop, length or error"]
    prompt_tokens: Annotated[int, "Tokens of the prompt"]
    completion_tokens: Annotated[int, "Tokens of the completion"]
    seed: Annotated[int, "Seed sent or derived; the server's where it takes none for a request"]
    endpoint: Annotated[str, "Server that answered"]
    round_id: Annotated[UUID | None, "Round that paid for it"]
    created_at: Annotated[datetime, "UTC time of arrival"]


@dataclass(frozen=True, kw_only=True)
class AdaptedGuideline(Generated):
    """A guideline rewritten by the model for one question, without solving it."""

    table: ClassVar[str] = "adapted_guidelines"
    guideline_id: Annotated[UUID, "The guideline it adapts"]


@dataclass(frozen=True, kw_only=True)
class Structure(Generated):
    """A plan of steps for one question, without solving it."""

    table: ClassVar[str] = "structures"
    guideline_id: Annotated[UUID, "The guideline at the chain's head"]
    adapted_guideline_id: Annotated[
        UUID | None, "The adapted guideline it follows; null without adaptation"
    ]


@dataclass(frozen=True, kw_only=True)
class Path(Generated):
    """A reasoning path that ends, if all goes well, in a stated answer."""

    table: ClassVar[str] = "paths"
    strategy: Annotated[
        Strategy,
        "regenesis, no_adaptation, no_structure, no_adaptation_no_structure, direct, reference",
    ]
    guideline_id: Annotated[UUID | None, "The guideline at the chain's head; null for direct paths"]
    adapted_guideline_id: Annotated[UUID | None, "Null without adaptation"]
    structure_id: Annotated[UUID | None, "Null without structure"]
    closed: Annotated[bool, "Whether answer extraction closed it ('The answer is' begun for it)"]
    cut: Annotated[
        bool | None,
        "Whether its own text ended at the length limit; null in rows from before schema 7",
    ] = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a verifier made of a path: one row per path and verifier version."""

    table: ClassVar[str] = "verdicts"
    id: Annotated[UUID, "Hash of path, verifier and version"]
    path_id: Annotated[UUID, "The path judged"]
    draw: Annotated[int, "The path's draw"]
    verifier: Annotated[str, "reference, majority or human"]
    verifier_version: Annotated[str, "Version of the rules that judged"]
    verdict: Annotated[Label, "correct, wrong or unjudged, by the strict reading"]
    reason: Annotated[
        str,
        "Short code: equal, answer_differs, ambiguous, no_final_answer, cut_off, timed_out, ...",
    ]
    extracted: Annotated[str | None, "The stated answer that was compared"]
    lenient_verdict: Annotated[Label, "By the lenient reading; reported apart, never trained on"]
    lenient_extracted: Annotated[str | None, "What the lenient reading took for the answer"]
    rater: Annotated[str | None, "Who rated, for human verdicts"]
    details: Annotated[str, "JSON: share, margin, entropy of a majority vote; else {}"]
    created_at: Annotated[datetime, "UTC time of judging"]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """One row per path and training set: kept, or the reason why not."""

    table: ClassVar[str] = "selections"
    id: Annotated[UUID, "Hash of training set and path"]
    training_set_id: Annotated[UUID, "The training set"]
    path_id: Annotated[UUID, "The path"]
    verdict_id: Annotated[UUID | None, "The verdict that was used"]
    draw: Annotated[int, "The path's draw"]
    kept: Annotated[bool, "Whether it became a training example"]
    reason: Annotated[
        str,
        "kept, or why not: answer_differs, duplicate, over_keep, contaminated,"
        " over_hinted_share, ...",
    ]


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """A fixed list of training examples."""

    table: ClassVar[str] = "training_sets"
    id: Annotated[UUID, "Hash of its settings, seed and candidate paths"]
    round_id: Annotated[UUID | None, "Round that made it"]
    method: Annotated[str, "regenesis, random, rft, ..."]
    settings: Annotated[str, "JSON: selection settings"]
    seed: Annotated[int, "Seed of the choice among accepted paths"]
    examples: Annotated[int, "Training examples in it"]
    hinted_examples: Annotated[int, "Of them from hinted paths"]
    digest: Annotated[str, "SHA-256 over its examples, in order"]
    created_at: Annotated[datetime, "UTC time"]
    snapshot: Annotated[
        int | None, "Snapshot of the lake that it was chosen from; null in a file"
    ] = None


@dataclass(frozen=True, kw_only=True)
class TrainingExample:
    """Question -> path, as trained: no guideline or structure in the prompt."""

    table: ClassVar[str] = "training_examples"
    id: Annotated[UUID, "Hash of training set and path"]
    training_set_id: Annotated[UUID, "The training set"]
    path_id: Annotated[UUID, "The path it teaches"]
    question_id: Annotated[UUID, "The question asked"]
    position: Annotated[int, "Place in the set, from 0"]
    prompt: Annotated[str, "User message, as in evaluation"]
    completion: Annotated[str, "Assistant message that bears the loss"]
    draw: Annotated[
        int | None, "The path's draw; null for a row of a schema before 4 whose path was deleted"
    ]


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """Trained weights: a LoRA adapter, or full weights (kind `full`)."""

    table: ClassVar[str] = "adapters"
    id: Annotated[UUID, "Hash of base model, parent, training set and training settings"]
    name: Annotated[str, "Readable name, such as round-3"]
    training_set_id: Annotated[UUID, "What it was trained on"]
    base_model_id: Annotated[UUID, "The base model it was trained from"]
    parent_adapter_id: Annotated[UUID | None, "The champion it went on from; null from the base"]
    kind: Annotated[Literal["lora", "full"], "lora or full"]
    location: Annotated[str, "Folder below the home, named by digest"]
    digest: Annotated[str, "SHA-256 over its files"]
    settings: Annotated[str, "JSON: training settings"]
    losses: Annotated[list[float], "Training loss of each logged step, in order"]
    tokens_trained: Annotated[int, "Unpadded tokens seen, all epochs"]
    seconds: Annotated[float, "Wall time of training"]
    precision: Annotated[str, "float32 or bfloat16"]
    mlflow_run_id: Annotated[str | None, "Run that logged it"]
    created_at: Annotated[datetime, "UTC time"]
    round_id: Annotated[UUID | None, "Round that trained it"]


@dataclass(frozen=True, kw_only=True)
class Answer(Generated):
    """A model's answer to a gate or final question; greedy, or one of k."""

    table: ClassVar[str] = "answers"
    strict_verdict: Annotated[Label, "By the strict reading: stated as asked"]
    strict_extracted: Annotated[str | None, "The stated answer"]
    lenient_verdict: Annotated[Label, "By the lenient reading"]
    lenient_extracted: Annotated[str | None, "What the lenient reading took"]
    reason: Annotated[str, "Short code of the strict verdict"]
    verifier_version: Annotated[str, "Version of the rules that judged"]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A model's answers to one part of one question set in one round, counted.

    A row with part `final` records that these questions were read.
    """

    table: ClassVar[str] = "evaluations"
    id: Annotated[UUID, "Hash of round, model, set, part and settings"]
    round_id: Annotated[UUID | None, "Round that read it"]
    model_id: Annotated[UUID, "The model"]
    question_set_id: Annotated[UUID, "The set"]
    domain: Annotated[Domain, "in_domain or out_of_domain"]
    part: Annotated[Part, "gate or final"]
    draw: Annotated[int, "Draw of the questions"]
    role: Annotated[str, "base, champion, challenger, control"]
    questions: Annotated[int, "Questions answered"]
    strict_correct: Annotated[int, "Correct by the strict reading"]
    lenient_correct: Annotated[int, "Correct by the lenient reading"]
    unjudged: Annotated[int, "Not judged by the strict reading"]
    stopped: Annotated[int, "Ended by a stop token"]
    mean_tokens: Annotated[float, "Mean completion length in tokens"]
    strict_low: Annotated[float, "Wilson 95 % interval of strict accuracy"]
    strict_high: Annotated[float, "Wilson 95 % interval of strict accuracy"]
    lenient_low: Annotated[float, "Wilson 95 % interval of lenient accuracy"]
    lenient_high: Annotated[float, "Wilson 95 % interval of lenient accuracy"]
    created_at: Annotated[datetime, "UTC time"]


@dataclass(frozen=True, kw_only=True)
class EvaluationFigure:
    """One figure of an evaluation besides its accuracy, of ours or of another harness."""

    table: ClassVar[str] = "evaluation_figures"
    id: Annotated[UUID, "Hash of evaluation, source, name, reading and k"]
    evaluation_id: Annotated[UUID, "The evaluation"]
    round_id: Annotated[UUID | None, "Round that read it"]
    source: Annotated[str, "regenesis, or the harness with its version"]
    name: Annotated[str, "unjudged, stopped, mean_tokens, pass_at_k, maj_at_k or exact_match"]
    reading: Annotated[str, "strict or lenient; empty where both read the same"]
    k: Annotated[int, "Answers a question that it is about: 1, or k of pass@k and maj@k"]
    questions: Annotated[int, "Questions answered"]
    value: Annotated[float, "A share, or a mean over questions"]
    low: Annotated[float, "95 % interval: Wilson for shares, questions resampled for means"]
    high: Annotated[float, "95 % interval: Wilson for shares, questions resampled for means"]
    created_at: Annotated[datetime, "UTC time"]


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """A decision of the gate or a person, with its reasons. Mutable only from pending to done."""

    table: ClassVar[str] = "promotions"
    id: Annotated[UUID, "Hash of round, challenger and champion"]
    round_id: Annotated[UUID | None, "Round that decided"]
    challenger_model_id: Annotated[UUID, "The challenger; the restored model in a rollback"]
    champion_model_id: Annotated[UUID, "The champion before; the base in the first round"]
    outcome: Annotated[Outcome, "promoted, refused or inconclusive"]
    state: Annotated[Literal["pending", "done"], "pending until MLflow's alias has moved"]
    decided_by: Annotated[str, "gate, rollback, or a person's name"]
    reasons: Annotated[str, "One paragraph a person understands"]
    statistics: Annotated[str, "JSON: every figure the rule used"]
    tests_so_far: Annotated[int, "Gate decisions in this line of rounds, this one included"]
    created_at: Annotated[datetime, "UTC time"]


@dataclass(frozen=True, kw_only=True)
class Round:
    """One self-improvement round. Mutable: status, outcome, finish and timings."""

    table: ClassVar[str] = "rounds"
    id: Annotated[UUID, "Hash of base model, task name and number"]
    number: Annotated[int, "Rounds are numbered from 1 in a store"]
    line: Annotated[str, "Which line of rounds: base model's name and the task set's name"]
    base_model_id: Annotated[UUID, "The base of this line"]
    champion_model_id: Annotated[UUID, "Champion when it began"]
    seed: Annotated[int, "Root of every random choice in it"]
    status: Annotated[str, "running, finished, failed or abandoned"]
    outcome: Annotated[str, "promoted, refused, inconclusive, budget_spent, or empty while it runs"]
    reason: Annotated[str, "Why it was abandoned or failed; else empty"]
    settings: Annotated[str, "JSON: the whole of the settings"]
    timings: Annotated[str, "JSON: seconds by what they went into, raw tokens per second, tokens"]
    started_at: Annotated[datetime, "UTC time"]
    finished_at: Annotated[datetime | None, "UTC time; null while it runs"]


@dataclass(frozen=True, kw_only=True)
class FailedRequest:
    """A request that failed at once or after all retries; it is kept so that nothing vanishes."""

    table: ClassVar[str] = "failed_requests"
    id: Annotated[UUID, "Hash of request and attempt time"]
    request_id: Annotated[UUID, "Id that the text would have had"]
    question_id: Annotated[UUID, "The question at the root"]
    stage: Annotated[str, "adapted_guideline, structure, path or answer"]
    reason: Annotated[str, "Short code: prompt_too_long, empty_text, endpoint_error, ..."]
    message: Annotated[str, "What the endpoint said, shortened"]
    attempts: Annotated[int, "How often it was tried"]
    draw: Annotated[int, "Draw of the request"]
    round_id: Annotated[UUID | None, "Round that asked"]
    created_at: Annotated[datetime, "UTC time"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Methods compared at a matched budget. Mutable: status, timings and finish."""

    table: ClassVar[str] = "comparisons"
    id: Annotated[UUID, "Hash of base model and settings"]
    name: Annotated[str, "Readable name: the task set's"]
    base_model_id: Annotated[UUID, "The model that all methods begin from"]
    settings: Annotated[str, "JSON: the whole of the settings, methods and budget among them"]
    status: Annotated[str, "running or finished"]
    timings: Annotated[str, "JSON: seconds by what they went into, raw tokens per second, tokens"]
    started_at: Annotated[datetime, "UTC time"]
    finished_at: Annotated[datetime | None, "UTC time; null while it runs"]


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The paths of one seed, generator and strategy, which methods share; a row once whole."""

    table: ClassVar[str] = "pools"
    id: Annotated[UUID, "Hash of draw, model, questions and synthesis settings"]
    draw: Annotated[int, "Draw of its paths; a comparison's is a million and the seed"]
    model_id: Annotated[UUID, "The model that wrote it"]
    strategy: Annotated[Strategy, "Strategy of its paths"]
    settings: Annotated[str, "JSON: synthesis settings"]
    questions: Annotated[int, "Train questions asked"]
    solved: Annotated[int, "Of them with a correct path that was shown no answer"]
    paths: Annotated[int, "Paths, hinted ones included"]
    correct: Annotated[int, "Correct paths that were shown no answer"]
    hinted_paths: Annotated[int, "Paths that were shown the answer"]
    hinted_correct: Annotated[int, "Of them correct"]
    tokens: Annotated[
        int, "Generated tokens of all its stages, chains that ended in nothing included"
    ]
    health: Annotated[str, "JSON: figures of the collapse watch"]
    created_at: Annotated[datetime, "UTC time"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A method tried with one seed and learning rate: its training data, and its model."""

    table: ClassVar[str] = "trials"
    id: Annotated[UUID, "Hash of comparison, method, seed, learning rate and iteration"]
    comparison_id: Annotated[UUID, "The comparison"]
    method: Annotated[
        str, "base, rft, star, regenesis, ...; name:variant where a method has several"
    ]
    seed: Annotated[int, "Seed of questions, pool and training set"]
    iteration: Annotated[int, "Round of a method that goes several, from 1"]
    iterations: Annotated[int, "Rounds that the method goes"]
    learning_rate: Annotated[float, "Peak of the fine-tune; 0 where nothing is trained"]
    pool_id: Annotated[UUID | None, "The pool that its newest paths come from; null without one"]
    training_set_id: Annotated[UUID | None, "What it was trained on; null without training"]
    adapter_id: Annotated[UUID | None, "What was trained; null without training"]
    model_id: Annotated[UUID, "The model that answers for it"]
    prompt_id: Annotated[UUID, "The prompt that it answers with"]
    candidates: Annotated[int, "Paths that it could choose from, within its budget"]
    filtered: Annotated[
        int, "Of them those that its filter and selection let through, before matching"
    ]
    examples: Annotated[int, "Training examples, after matching"]
    hinted_examples: Annotated[int, "Of them from hinted paths"]
    questions: Annotated[int, "Different questions among the examples"]
    paths_spent: Annotated[int, "Paths generated for it, over its iterations"]
    tokens_spent: Annotated[int, "Tokens generated for those paths, their stages included"]
    distinct_2: Annotated[float, "Different pairs of words by all pairs in its examples"]
    created_at: Annotated[datetime, "UTC time"]


@dataclass(frozen=True, kw_only=True)
class ComparisonFigure:
    """One figure of a comparison: an accuracy, or a paired difference, with its interval."""

    table: ClassVar[str] = "comparison_figures"
    id: Annotated[UUID, "Hash of comparison and of all that says what the figure is about"]
    comparison_id: Annotated[UUID, "The comparison"]
    name: Annotated[
        str,
        "accuracy, difference, dev_accuracy (by learning rate), chosen_rate, chance (of a set), or"
        " answers_, paths_ and examples_ with cut or no_work; macro_ where every set weighs the"
        " same, seeds_ where only seeds vary (t test)",
    ]
    rates: Annotated[
        str, "chosen, fixed (the settings' own learning rate for all), or the learning rate"
    ]
    reading: Annotated[str, "strict or lenient"]
    scope: Annotated[
        str,
        "in_domain, out_of_domain, a group of sets, either _above_chance, or a question set",
    ]
    method: Annotated[str, "The method"]
    against: Annotated[str, "With what it is paired; empty for an accuracy"]
    iteration: Annotated[int, "Round of the method"]
    seeds: Annotated[int, "Seeds that it is taken over"]
    questions: Annotated[int, "Different questions"]
    value: Annotated[float, "A share, a difference of shares, or a learning rate"]
    low: Annotated[float, "95 % interval, seeds and questions resampled"]
    high: Annotated[float, "95 % interval, seeds and questions resampled"]
    p_value: Annotated[float | None, "Two-sided, of no difference; null for an accuracy"]
    p_adjusted: Annotated[
        float | None, "The same after Holm, over all methods and both domains of one reference"
    ]
    created_at: Annotated[datetime, "UTC time"]


Record = (
    QuestionSet
    | Question
    | Guideline
    | Prompt
    | Model
    | AdaptedGuideline
    | Structure
    | Path
    | Verdict
    | Selection
    | TrainingSet
    | TrainingExample
    | Adapter
    | Answer
    | Evaluation
    | EvaluationFigure
    | Promotion
    | Round
    | FailedRequest
    | Comparison
    | Pool
    | Trial
    | ComparisonFigure
)

# parents before children: rows of a batch are inserted in this order
RECORD_TYPES: tuple[type[Record], ...] = (
    QuestionSet,
    Question,
    Guideline,
    Prompt,
    Model,
    AdaptedGuideline,
    Structure,
    Path,
    Verdict,
    Selection,
    TrainingSet,
    TrainingExample,
    Adapter,
    Answer,
    Evaluation,
    EvaluationFigure,
    Promotion,
    Round,
    FailedRequest,
    Comparison,
    Pool,
    Trial,
    ComparisonFigure,
)


def field_documentation(record_type: type[Record]) -> dict[str, str]:
    """Column name -> its documentation, in column order."""
    hints = get_type_hints(record_type, include_extras=True)
    return {field.name: hints[field.name].__metadata__[0] for field in fields(record_type)}
