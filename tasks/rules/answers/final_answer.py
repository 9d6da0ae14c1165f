"""Step 1 of a verdict: where a text states its answer.

Text and finish reason in, the stated words or why not out.

A statement is a box, a sentence ("the answer is ..."), a label ("Answer: ..."), a heading or
GSM8K's `####`. The last one counts, wherever it stands, unless it is supposed, doubted, denied,
empty, or only talks about the answer. What is inside `<think>` is no statement. It does not say
whether the answer is right, and never goes back to an earlier answer when a later one was cut off
or taken back.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from storage.records import AnswerKind
from tasks.rules.answers.finish_reasons import is_natural_stop
from tasks.rules.answers.second_thoughts import FAR, TAKEN_BACK, words_that_count
from tasks.rules.answers.values.number_words import RUN
from tasks.rules.answers.values.numbers import NUMERAL
from tasks.rules.answers.values.spelling import plain, undressed

# A model that loops repeats one statement thousands of times. The last one nearly always counts, so
# 40 are read and the time of a verdict stays bounded.
MOST_STATEMENTS = 40
# Patterns over several lines (lists, solutions) look this far behind a label, and no further.
LONGEST_LIST = 4000
# <think>, [THINK], <|begin_of_thought|>
THINKING = re.compile(
    r"<\|?(/|end_of_)?(?:begin_of_)?(?:think|thinking|thought|reasoning|scratchpad|reflection)\|?>|\[(/?)(?-i:THINK)\]",
    re.IGNORECASE,
)
# TeX itself would box the first digit of `\\boxed 21` alone; the model means the number
BARE_BOX = re.compile(r"\\boxed\s*(-?[$]?\d[\d.,/]*(?<![.,/])|[A-Za-z](?![A-Za-z]))")
# every brace, with the opening of a box as one token; `\\.` takes an escaped `\{` out of the count
BRACE = re.compile(r"\\(?:boxed|fbox)\s*\{|\\.|[{}]", re.DOTALL)
# what may stand between boxes that are offered together: `\boxed{5} or \boxed{6}`, `$\boxed{2}$,
# $\boxed{3}$`; not `\boxed{5} hours, so \boxed{6}`
SIDE_BY_SIDE = re.compile(
    r"(?:[\s$\\()\[\],;/]|\\q?quad)*(?:or|and|\\text\{\s*(?:or|and)\s*\})?(?:[\s$\\()\[\],;/]"
    r"|\\q?quad)*",
    re.IGNORECASE,
)
# `the answer to the question "What is 3 times 7?" is 21`, `Answer, then, is`, `**Answer**: 21`,
# `answer = 21`
ABOUT = r"(?:\s+(?:to|for|of)\s(?:[^\n.:=?\"“]{0,60}[\"“][^\"”\n]{1,400}[\"”]|[^\n.:=?]{1,80}?))?"
STATEMENT = re.compile(
    # `final answer is`, `The answer to part b would be`, `answer: `, `answer = `, `<answer>`
    rf"(?:\b(?P<kind>\w{{1,12}})\s+)?\banswers?\b\**(?:,\s?\w{{1,15}},)?{ABOUT}[\"'*)\s_]{{0,4}}?"
    r"(?:\s(?P<verb>is|are|was|equals|comes out (?:as|to be)|(?:would|should|must|will|has\sto"
    r"|can\sonly)\sbe)\b|\s?:|\s?=|(?<=<answer)>)"
    # `correct option is`, `best choice: `; not `the right choice of words`
    r"|\b(?:correct|right|best)\s(?:option|choice)(?:\s(?:is|would be)\b|:)"
    # a heading alone in its line: `## Answer`, `**Final answer**`
    r"|^[#>*_\s]{0,12}(?:the\s)?(?:final\s|correct\s)?answers?[*_ \t]{0,4}$"
    # `Answer - 21`; the dash needs a value behind it, because `Answer - see below` states none
    r"|^[#>*_\s]{0,12}(?:the\s)?(?:final\s|correct\s)?answers?[*_]{0,3}\s[-–—]\s(?=[\W_]{0,3}(?:\d|(?-i:[A-Z])|yes\b|no\b))"
    # `#### 21` of GSM8K; not the five signs of a deeper heading
    r"|^[ \t]{0,3}(?P<mark>####)(?!#)",
    re.IGNORECASE | re.MULTILINE,
)
# letters of every statement, which plain search finds at once; and how far in front of them the
# statement's word begins
KEYS = (
    ("nswer", 1),
    ("NSWER", 1),
    ("ption", 9),
    ("hoice", 9),
    ("PTION", 9),
    ("HOICE", 9),
    ("####", 0),
)
# `option` and `choice` state an answer only behind one of these words
OPTION = re.compile(r"\b(?:correct|right|best)\s", re.IGNORECASE)
# the word in front of `answer`, which may change its sense: `final`, `wrong`, `different`
WORD_BEFORE = re.compile(r"\b\w{1,12}\s+$")
# no statement of the answer: `a different answer: ...`, `this answer is helpful`, `my first answer
# was 20`
NO_STATEMENT = (
    "a an any another different other this that these those alternative initial earlier "
    "previous original preliminary intermediate no every each such tempting naive numerical"
)
OTHER_ANSWERS = frozenset(NO_STATEMENT.split())
# `The wrong answer is 20` denies 20
WRONG_ANSWERS = frozenset({"wrong", "incorrect", "false", "mistaken"})
# what supposes or denies reaches only to the end of its clause: `I was not sure, but the answer is`
CLAUSE_BEGINS = re.compile(
    r"[,;:—]|\b(?:so|therefore|thus|hence|then|but|and|because)\b", re.IGNORECASE
)
SUPPOSED = re.compile(
    # `if the answer is`, `Suppose the answer is`
    r"\b(?:if|whether|suppose|supposing|assume|assuming|unless|imagine|had)\b[^.\n]{0,25}$"
    # `one might think the answer is`, `it is tempting to say the answer is`
    r"|\b(?:might|may|could|would|can|tempting to|tempted to|wrong to)\s+(?:\w+\s+)?"
    r"(?:think|say|believe|guess|assume|conclude|argue|claim|expect|suppose|answer)\b[^.\n]{0,25}$"
    # `I first thought the answer was`
    r"|\b(?:thought|guessed|assumed|claims?|pretend|mistakenly|wrongly)\b[^.\n]{0,25}$",
    re.IGNORECASE,
)
# `I do not think the answer is`, `It is wrong to say the answer is`, `I don't believe the answer
# is`; not `if not`, which supposes. 40 characters reach from the denial to the statement of its own
# clause.
DENIED = re.compile(
    r"(?<!\bif )\b(?:not|never|cannot|doubt|doubtful|unlikely|false|wrong|incorrect|hardly|nor"
    r"|unsure|impossible|no way|nobody|no one|rule out|refuse|(?:mistake|error)(?: is)?"
    r" to)\b[^.\n]{0,40}$"
    r"|n[’']t\b[^.\n]{0,40}$",
    re.IGNORECASE,
)
# `without a doubt`, `no doubt` and `not only` deny nothing; they are taken out before DENIED looks
NO_DOUBT = re.compile(
    r"\b(?:no|without(?: an?)?|beyond(?: an?)?|not)\s+(?:doubt|wrong|only)|\bI do ?n.t doubt",
    re.IGNORECASE,
)
# a stop ends a sentence before a blank, behind closing quotes or emphasis: `21.**`; not in `2.5`
SENTENCE_END = re.compile(r"[\n。]|[.!?](?=[*_\"'”’»)$]*(?:\s|$))")
SENTENCE_SIGNS = frozenset(".!?。")
# an option that is itself a question, and not doubt about one: `(A) In which material does sound
# travel fastest?`
ASKS = re.compile(
    r"\b(?:how|what|which|why|when|where|who|whose|whom)\b"
    r"|^\W*(?:[A-Z]\b\W+)?(?:is|are|was|were|do|does|did|can|could|will|would|should|has|have)\s",
    re.IGNORECASE,
)
# `5! = 120`, `$5!$`: the sign belongs to the number and ends no sentence
BEHIND_A_FACTORIAL = re.compile(r"\$|\s*[=·×*/^+]\s?\$?\d")
ABBREVIATIONS = re.compile(
    # `Dr. Smith`, `5 p.m.`, `i.e. 5`
    r"\b(?:Dr|Mr|Mrs|Ms|Jr|Sr|Rs|Prof|vs|approx|i\.e|e\.g|[ap]\.m)(?=\.)"
    # `St. Paul`, `No. 5`, `J. Smith`, `wait...`
    r"|\bSt(?=\.\s+[A-Z])|\b[Nn]o(?=\.\s+\d)|\b[A-Z](?=\.\s+[A-Z])|\.\.(?=\.)|\.(?=\.)"
)
# `1. Paris 2. Rome`, `1) ...\n2) ...`: several items, of which none is the answer alone
LIST_BEGINS = re.compile(r"1[.)]\s+\S.*?(?:^|\s)2[.)]\s", re.DOTALL)
# a numbered list of a few words each is a list; one of sentences is a solution
LISTED = re.compile(r"(?:\d{1,2}[.)] [^\n.:]{1,40}(?:\n|$))+")
# the number of an item in such a list
LIST_MARK = re.compile(r"\s*(?:^|\n)\d{1,2}[.)] ")
# what stands between a label and its value: `Answer:** 21`, `Answer => 21`, `Answer ... 21`
DECORATION = re.compile(r"(?:\s|\*\*|\*(?=\s)|__|=>|[:=]|\.\.+|…|→|⇒|-->|—(?=\s))*")
# `_calm` makes each run one blank. Later patterns then meet no long run, on which they could be
# quadratic. The last ones are line ends that only Unicode knows.
BLANKS = re.compile(r"\s{2,}|[\t\r\f\v\x1c-\x1f\x85\u2028\u2029]")
# the mark of a list's item below a heading: `- 21`, `> * 21`, `1. 21`
BULLET = re.compile(r"(?:>\s*|[-*•+–]\s+|1[.)]\s+)+")
# a choice's letter ends its sentence: `A. No wait, B.`
LETTER_FIRST = re.compile(r"\(?[A-Z]\)?(?=\.\s)")
# emphasis that was opened before the words and is closed behind them: `21**`
OPEN_EMPHASIS = re.compile(r"(?<=\w)(?:__|\*\*)$")
# a list of bullets, which is one answer of several items: `- red\n- blue`
BULLETED = re.compile(r"(?:[^\n]*\n\s*[-*•+–]\s+)+[^\n]*")
# a fence of Markdown with a language; one that never closes reaches to the end of the text
FENCED = re.compile(r"(`{3,}|~{3,})[^\n`]{0,20}\n(.*?)(?:\n\s*\1|\Z)", re.DOTALL)
# a block begins with one of these, so other text is not searched for blocks
BLOCK_BEGINS = frozenset("`~$\\")
# becomes a comma, so that a list of bullets reads as a list
NEXT_BULLET = re.compile(r"\n\s*[-*•+–]\s+")
DISPLAYED = re.compile(
    # `\[ 21 \]`, `$$ 21 $$`, and a single dollar with a line of its own
    r"\\\[(.*?)(?:\\\]|\Z)|\$\$(.*?)(?:\$\$|\Z)|\$[ \t]*\n([^$]*)\$"
    # `\begin{align*} x &= 21 \end{align*}`
    r"|\\begin\{(equation|align|aligned|gather|center)\*?\}(.*?)(?:\\end\{\4\*?\}|\Z)",
    re.DOTALL,
)
# what a mark of GSM8K holds: a value with perhaps a unit, a letter, a truth value; a heading has
# other words
PURE_VALUE = re.compile(
    rf"[-+*$€£(\s\\]*(?:{NUMERAL}(?:/\d+)?[\s%$€£*°)]*|\(?[A-Z]\)?|yes|no|true|false|valid"
    rf"|invalid)[.*\s]*",
    re.IGNORECASE,
)
# how a sentence about an answer goes on that states none: `The answer is correct`, `The answer is
# what we wanted`; not `The answer is correct option B`
TALK = re.compile(
    r"(?:(?:also|indeed|therefore|thus|then|now|very|quite|always|clearly|hopefully"
    r"|not)\s+)*(?:correct|right|helpful|clear|useful"
    r"|below|above|as follows|reasonable|consistent|rounded|found|given|obtained|obvious|known"
    r"|shown|verified|confirmed|complete"
    r"|expressed|supposed|expected|wanted|required|needed|to be|sensible|plausible|well|simple"
    r"|easy|what|why|how|in the form"
    r"|(?:a )?(?:bit )?(?:surprising|long|short|different|hard|difficult)|ready|here|there"
    r"|boxed|written|stated|based on"
    r"|what (?:we|you|i)|I (?:can|could|will|hope)|good|fine|exact|unique|final)\b(?!\s+(?:yes"
    r"|no|option|choice)\b)",
    re.IGNORECASE,
)
# what a value is like, not what it is: `divisible by 3`, `below 30`
PROPERTY = re.compile(
    r"(?:(?:also|indeed|clearly|always|an?|(?:not|much|slightly)\s)\s*)*(?:below|above|under"
    r"|over|greater|less|more|fewer"
    r"|larger|smaller|higher|lower|between|at (?:least|most)|divisible|close|near|even|odd"
    r"|prime|positive|negative(?!\s+\S)"
    r"|bigger|(?:found|obtained|given|calculated|computed|derived) (?:by|from|using|as)|integer"
    r"|whole number|multiple of|factor of|within|bounded"
    r"|rounded to)\b(?!\s+(?:two|one)\s+(?:and|or))",
    re.IGNORECASE,
)
# `it is not \boxed{15}`
DENIES_THE_BOX = re.compile(
    r"(?:\bnot|n[’']t|\bnever|\brather than|\binstead of|\bother than|\bcannot be|\bno longer)"
    r"\s+(?:(?:be|equal to|equal|simply|just|the|a)\s+)*[\s$\\(\[*]*$",
    re.IGNORECASE,
)
# `Had she bought two, the answer would be 4`, `otherwise the answer would be 4`; not `without loss
# of generality`
UNREAL = re.compile(
    r"^\W*had\b|\bif\b[^.]*\b(?:were|had)\b|\botherwise\b|\bwithout (?!loss|an?y? doubt|doubt)",
    re.IGNORECASE,
)
# `The answer is not 20` takes 20 back; `not only`, `not enough` and `not sure` say something else
NEGATED = re.compile(
    r"(?:not|never|no longer)\s+(?!(?:only|enough|possible|sure)\b)(?=\S+$)", re.IGNORECASE
)
# `the answer would be 4 if ...` supposes, where `would be` alone states
CONDITIONAL = re.compile(r"(?:would|should|must|will) be$", re.IGNORECASE)
# a sign of a value for a number or an expression: a digit, TeX, a constant, a number word, or a
# letter alone that is no article (`a`) and no pronoun (`I`)
VALUE = re.compile(
    rf"\d|\\|\$|[π∞√]|{RUN.pattern}|\b(?:half|quarter|thirds?|dozen|hundred)\b"
    rf"|(?<![\w'’])[b-hj-zB-HJ-Z](?![\w'’])",
    re.I,
)
# these say that there is no number: a statement (a wrong one, mostly), and no talk
NO_VALUE = re.compile(
    r"\b(?:unknown|none|undefined|infinit\w*|impossible|cannot|can't|not|no|undetermined"
    r"|indeterminate|insufficient|depends"
    r"|nothing|ambiguous|unclear|nan|any|all|empty)\b",
    re.IGNORECASE,
)
# `So he has 8 apples.` at the end of a worked solution states its result
CONCLUDES = re.compile(
    r"(?:so|therefore|thus|hence|in total|altogether|finally|in all|(?:the )?total is)\b",
    re.IGNORECASE,
)
# `Answer: 5. Because ...` explains an answer that stands, so it is no solution that goes on
EXPLAINS = re.compile(
    r"(?:explanation|because|check|note|reason|this is because|since|proof|\W)", re.IGNORECASE
)
# a calculation, where another follows: `16 - 3 - 4 = 9. 9 * 2 = 18.`
CALCULATES = re.compile(r"\d\s*[-+*/×·]\s*\$?\d.*=")
FULL_SENTENCE = re.compile(
    # `John has 5 apples`, `5 birds left`: a sentence of a solution; not `5 apples`
    r"[A-Z][A-Za-z']*\s+[a-z]\w*|\d+\s[a-z]+\s(?:\w+ed|were|was|are|is|came|have|has|had|sat|went|got|left|sold|made)\b"
)
# `\boxed{5}? No, wait`, `\boxed{5} is wrong`
AFTER_A_BOX = re.compile(
    r"[\s$\\)\]*}]*(?:\?\s*(?:no\b|wait|hmm)|(?:is|was|would be)\s(?:wrong|incorrect|not\b))",
    re.IGNORECASE,
)
# lenient: the last number, letter or truth value anywhere
LAST_NUMBER = re.compile(
    r"(?<![\w.,/])[-−]?[$€£]?(?:(?:\d+\s?)?\\[dtc]?frac\s?\{-?\d+\}\s?\{\d+\}|\\[dtc]?frac\d\d"
    r"|\d+\s\d+/\d+"
    rf"|{NUMERAL}(?:[eE][-+]?\d+)?(?:/\d+)?)%?"
)
# `(C)`, `C`, and `A` only where it ends a phrase, because `A` is an article; `I` is a pronoun, so
# it counts in brackets only
LAST_LETTER = re.compile(r"\(([A-Z])\)|\b([B-HJ-Z])\b(?![’'])|\b(A)\b(?=\W*$|[).:,;])")
# `not true` first, or `true` would be found in it
LAST_POLARITY = re.compile(
    r"\b(?:not\s+(?:true|valid)|yes|no|true|false|valid|invalid)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Stated:
    """The words of an answer, to the end of its sentence (`words`) and of its line (`line`).

    `lead` is what its sentence says before it ("Yes, the answer is that ..."); `denied`: it is said
    to be wrong.
    """

    words: str
    line: str
    boxed: bool
    lead: str = ""
    denied: bool = False


@dataclass(frozen=True)
class NotStated:
    """Why a text has no final answer: no_final_answer, taken_back or cut_off."""

    reason: str


@dataclass(frozen=True)
class _Found:
    """A statement in the text: its place and end, what it states, and whether that is meant."""

    start: int
    end: int
    stated: Stated | NotStated
    role: Literal["meant", "talk", "denied", "supposed"] = "meant"


def final_answer(
    text: str, finish_reason: str = "stop", kind: AnswerKind | None = None
) -> Stated | NotStated:
    """The strict reading: the last statement that is meant as one, or why there is none."""
    spoken = spoken_text(text)
    if spoken is None:
        return NotStated("cut_off")
    spoken = BARE_BOX.sub(r"\\boxed{\1}", spoken) if "\\boxed" in spoken else spoken
    # From the last statement backwards, and the first that counts ends the search. Whatever stands
    # behind it (`denied`, `unsaid`) has been seen by then and bears on it.
    cut = not is_natural_stop(finish_reason)
    weak: Stated | None = None
    denied: list[Stated] = []
    unsaid: list[tuple[int, int]] = []
    for found in _statements(spoken, cut, kind):
        if found.role == "supposed":
            unsaid.append((found.start, found.end))
            continue
        if isinstance(found.stated, NotStated):
            return found.stated
        if found.role == "denied":
            denied.append(found.stated)
            unsaid.append((found.start, found.end))
        elif found.role == "talk":
            negated = NEGATED.match(found.stated.words)
            denied += (
                [replace(found.stated, words=found.stated.words[negated.end() :])]
                if negated
                else []
            )
            weak = weak or found.stated
        elif any(one.words.startswith(found.stated.words) for one in denied):
            return NotStated("taken_back")
        else:
            return _counted(spoken, found, found.stated, unsaid)
    return weak or NotStated("cut_off" if cut else "no_final_answer")


def statements_in_order(text: str) -> list[tuple[int, int, Stated]]:
    """(start, end, stated) of every statement that is meant, in order, also inside thoughts."""
    found = [one for one in _statements(text, False, None) if one.role == "meant"]
    return [
        (one.start, one.end, one.stated)
        for one in reversed(found)
        if isinstance(one.stated, Stated)
    ]


def spoken_text(text: str) -> str | None:
    """What a text says once it has stopped thinking; None where it never stops."""
    tags = list(THINKING.finditer(text)) if "<" in text or "[" in text else []
    closing = [tag for tag in tags if tag[1] or tag[2]]
    if tags and tags[-1] not in closing:
        return None
    return text[closing[-1].end() :] if closing else text


def last_value(text: str, kind: AnswerKind) -> str | None:
    """The last number, choice letter or yes/no in the text: the lenient reading's fallback."""
    pattern = {"number": LAST_NUMBER, "choice": LAST_LETTER, "boolean": LAST_POLARITY}.get(kind)
    found = list(pattern.finditer(spoken_text(text) or text)) if pattern else []
    return found[-1].group() if found else None


def _statements(text: str, cut: bool, kind: AnswerKind | None) -> Iterator[_Found]:
    """The statements, last first, at most MOST_STATEMENTS of them."""
    boxes = _boxes(text) if "\\boxed" in text or "\\fbox" in text else []
    matches = list(_marks(text))
    if boxes:
        matches = [
            match
            for match in matches
            if not any(
                start <= match.start() and (end is None or match.start() < end)
                for start, end in boxes
            )
        ]
    marks = sum(match["mark"] is not None for match in matches)
    places: list[tuple[int, int | re.Match[str]]] = [
        (start, place) for place, (start, _) in enumerate(boxes)
    ]
    places += [(match.start(), match) for match in matches]
    for _, what in sorted(places, key=lambda pair: pair[0], reverse=True)[:MOST_STATEMENTS]:
        box = isinstance(what, int)
        found = _boxed(text, boxes, what) if box else _sentence(text, what, cut, kind, marks)
        if found is not None:
            yield found


def _candidates(text: str) -> list[int]:
    """Where a statement's own word may begin, in order."""
    places: list[int] = []
    for key, ahead in KEYS:
        found = text.find(key)
        while found >= 0:
            option = OPTION.search(text, max(0, found - ahead), found) if ahead > 1 else None
            if ahead <= 1 or option:
                places.append(option.start() if option else found - ahead)
            found = text.find(key, found + len(key))
    return sorted(places)


def _marks(text: str) -> Iterator[re.Match[str]]:
    """The matches of STATEMENT, tried only where one of its words stands, for speed."""
    last = 0
    for place in _candidates(text):
        if place < last:
            continue
        before = WORD_BEFORE.search(text, max(last, place - 40), place)
        line = max(last, text.rfind("\n", 0, place) + 1)
        starts = {place, before.start() if before else place, line if place - line < 32 else place}
        # STATEMENT begins at the word itself, at the word before it, or at the line (headings,
        # marks). Three attempts in place of a search over the whole text keep this linear.
        for start in sorted(starts):
            match = STATEMENT.match(text, start)
            if match and match.end() > place:
                last = match.end()
                yield match
                break


def _boxed(text: str, boxes: list[tuple[int, int | None]], place: int) -> _Found | None:
    start, end = boxes[place]
    if end is None:
        return _Found(start, len(text), NotStated("cut_off"))
    words = _with_neighbour(text, boxes[: place + 1], text[start:end].strip())
    bare = undressed(words) if "nswer" in words else words
    inner = STATEMENT.search(bare) if "nswer" in words else None
    if inner is not None and inner.end() < len(bare) and not inner["mark"]:
        words = bare[inner.end() :].strip(" .*")
    stated = Stated(_calm(words), _calm(words), True)
    if DENIES_THE_BOX.search(_front(text, text.rfind("\\", 0, start))):
        return _Found(start, end, stated, "denied")
    if AFTER_A_BOX.match(text, end + 1):
        return _Found(start, end, Stated(stated.words, stated.line, True, denied=True), "talk")
    return _Found(start, end + 1, stated, "meant" if words else "talk")


def _boxes(text: str) -> list[tuple[int, int | None]]:
    """(start, end) of the contents of outermost boxes; the end is None where braces never close."""
    open_braces: list[int | None] = []
    ends: dict[int, int | None] = {}
    for match in BRACE.finditer(text):
        token = match.group()
        if token == "{":
            open_braces.append(None)
        elif token == "}":
            start = open_braces.pop() if open_braces else None
            if start is not None:
                ends[start] = match.start()
        elif token.endswith("{") and len(token) > 2:
            open_braces.append(match.end())
            ends[match.end()] = None
    return sorted(ends.items())


def _with_neighbour(text: str, boxes: list[tuple[int, int | None]], words: str) -> str:
    """`\\boxed{5} or \\boxed{6}` offers both, and so does a longer row of boxes."""
    offered = [words]
    for (start, end), (next_start, _) in reversed(list(pairwise(boxes[-MOST_STATEMENTS:]))):
        if end is None or end >= next_start:
            break
        between = text[end + 1 : next_start]
        between = between[: max(between.rfind("\\boxed"), between.rfind("\\fbox"))]
        if (
            not 0 < len(between) <= 40
            or not between.strip(" $\n")
            or not SIDE_BY_SIDE.fullmatch(between)
        ):
            break
        offered.insert(0, text[start:end].strip())
    return " or ".join(offered)


def _sentence(
    text: str, match: re.Match[str], cut: bool, kind: AnswerKind | None, marks: int
) -> _Found | None:
    if match["mark"] and not _is_mark(text, match.end(), marks):
        return None
    front = _front(text, match.start())
    named = (match["kind"] or "").lower()
    denied = named in WRONG_ANSWERS
    role = _role(front if denied else f"{front}{match['kind'] or ''}")
    begin, end, line_end = _content(text, match, kind)
    words = _calm(_inside(text[begin:end]))
    line = words if line_end == end else _calm(_inside(text[begin:line_end]))
    if named in OTHER_ANSWERS and not (named == "this" and PURE_VALUE.fullmatch(words)):
        return None
    if CONDITIONAL.match(match["verb"] or "") and re.search(r"\bif\b", line):
        role = "supposed"
    if (match["verb"] or "").lower() == "would be" and UNREAL.search(front):
        role = "supposed"
    if role != "meant":
        return _Found(match.start() - len(front), end, Stated(words, line, False), role)
    rest = text[begin : begin + LONGEST_LIST]
    listed = rest[:1] == "1" and LIST_BEGINS.match(rest)
    if listed and kind == "text" and (items := LISTED.fullmatch(rest.split("\n\n")[0].strip())):
        words = ", ".join(LIST_MARK.split(items.group())[1:])
        return _Found(match.start(), begin + len(items.group()), Stated(words, words, False))
    if not rest.strip("\"'`$ \r\n\t.") or listed:
        return _Found(
            match.start(), end, NotStated("cut_off" if cut and not rest else "no_final_answer")
        )
    if cut and not _is_finished(text, end):
        return _Found(match.start(), end, NotStated("cut_off"))
    if text[end : end + 1] == "?" and not (kind in ("choice", "text") and ASKS.search(words)):
        return None
    if match["verb"] is None and not match["mark"] and kind in ("number", "expression"):
        words = _of_a_solution(words, _calm(text[begin:].split("\n\n", 1)[0][:LONGEST_LIST]))
    if words.endswith(("**", "__")) or line.endswith(("**", "__")):
        words, line = (OPEN_EMPHASIS.sub("", part) for part in (words, line))
    if words.endswith("}") and "{" not in words and text[match.start() - 1] == '"':
        words = line = words.rstrip("} ").strip('"')  # {"answer": 21}
    stated = Stated(words, line, False, front.strip(), denied)
    return _Found(
        match.start(), end, stated, "talk" if denied or _is_talk(words, kind) else "meant"
    )


def _is_mark(text: str, end: int, marks: int) -> bool:
    """Whether `####` is GSM8K's mark, with a value at the end of the text, and no heading."""
    line, _, below = text[end:].partition("\n")
    if not below.strip():
        return bool(line.strip()) and not line.rstrip().endswith(":")
    return marks == 1 and PURE_VALUE.fullmatch(line.strip()) is not None


def _front(text: str, start: int) -> str:
    """What the sentence says before `start`."""
    front = text[max(0, start - 160, text.rfind("\n", 0, start) + 1) : start]
    if SENTENCE_SIGNS.isdisjoint(front):
        return front
    ends = [match.end() for match in SENTENCE_END.finditer(front)]
    return front[ends[-1] :] if ends else front


def _role(front: str) -> Literal["meant", "denied", "supposed"]:
    """Whether a sentence supposes, doubts or denies what follows: `if`, `I don't think`."""
    if len(front) <= len("The"):
        return "meant"
    clause = CLAUSE_BEGINS.split(front)[-1]
    if SUPPOSED.search(clause) or re.search(
        r"\b(?:if|suppose|assume)\b[^,.\n]{0,25}$", front, re.IGNORECASE
    ):
        return "supposed"
    return "denied" if DENIED.search(NO_DOUBT.sub("", clause)) else "meant"


def _content(text: str, match: re.Match[str], kind: AnswerKind | None) -> tuple[int, int, int]:
    """(begin, end of the sentence, end of the line) of what is stated behind its label."""
    decoration = DECORATION.match(text, match.end())
    begin = decoration.end() if decoration else match.end()
    if "\n" in text[match.end() : begin] or match["mark"]:
        bullet = BULLET.match(text, begin)
        begin = bullet.end() if bullet and not LIST_BEGINS.match(text[begin:]) else begin
    # A fence is looked for before a display: a formula in a fence belongs to the fence.
    for pattern in (FENCED, DISPLAYED) if text[begin : begin + 1] in BLOCK_BEGINS else ():
        block = pattern.match(text, begin)
        if block:
            return begin, block.end(), block.end()
    line_end = text.find("\n", begin)
    line_end = len(text) if line_end < 0 else line_end
    letter = LETTER_FIRST.match(text, begin) if kind == "choice" else None
    end = letter.end() if letter else _sentence_end(text, begin)
    bullets = BULLETED.match(text, begin) if "\n" in text[match.end() : begin] else None
    if bullets and BULLET.match(text, begin - 2):
        return begin, bullets.end(), bullets.end()
    return begin, len(text) if end is None else end, line_end


def _inside(block: str) -> str:
    """What a fence or display holds; other words as they are. Items below each other are a list."""
    for pattern in (FENCED, DISPLAYED) if block[:1] in BLOCK_BEGINS else ():
        match = pattern.match(block)
        if match:
            groups = match.groups()
            return (
                groups[1]
                if pattern is FENCED
                else groups[0] or groups[1] or groups[2] or groups[4] or ""
            ).strip()
    return NEXT_BULLET.sub(", ", block) if "\n" in block else block


def _is_finished(text: str, end: int) -> bool:
    """Whether words that end at `end` of a cut text are whole: `3.` may have begun `3.5`."""
    if end >= len(text):
        return False
    return not (text[end] == "." and end == len(text) - 1 and text[end - 1].isdigit())


def _sentence_end(text: str, begin: int) -> int | None:
    for match in SENTENCE_END.finditer(text, begin):
        factorial = match.group() == "!" and BEHIND_A_FACTORIAL.match(text, match.end())
        if not factorial and (match.group() != "." or not _is_abbreviated(text, match.start())):
            return match.start()
    return None


def _is_abbreviated(text: str, point: int) -> bool:
    return any(
        found.end() == point
        for found in ABBREVIATIONS.finditer(text, max(0, point - 8), point + 12)
    )


def _of_a_solution(words: str, paragraph: str) -> str:
    """The answer of a label that opens a worked solution: its last line, if that concludes.

    `Answer: John has 5 apples. He buys 3 more. So he has 8.` answers with 8. Without a conclusion
    all values of the solution are offered, so that none of them is taken for the answer.
    """
    rest = paragraph[len(words) :].lstrip(".!? \n")
    solves = FULL_SENTENCE.match(words) or (
        CALCULATES.search(words[:LONGEST_LIST]) and CALCULATES.search(rest)
    )
    if not solves or not VALUE.search(rest) or EXPLAINS.match(rest):
        return words
    last = re.split(r"(?<=[.!?])\s+", rest.strip())[-1]
    if CONCLUDES.match(last):
        return last.rstrip(".!")
    values = dict.fromkeys(re.findall(NUMERAL, plain(f"{words} {rest}")))
    return " or ".join(values) if len(values) > 1 else words


def _is_talk(words: str, kind: AnswerKind | None) -> bool:
    """Whether a sentence about the answer states none: `The answer is positive, as expected`."""
    if kind in ("number", "expression", "choice") and NEGATED.match(words):
        return True
    if kind in ("number", "expression"):
        if words[:1].isdigit():
            return False
        shown = plain(words)
        if PROPERTY.match(words):
            return True
        return not VALUE.search(shown) and (
            bool(TALK.match(words)) or (kind == "number" and not NO_VALUE.search(shown))
        )
    return TALK.match(words) is not None


def _counted(
    text: str, found: _Found, stated: Stated, unsaid: list[tuple[int, int]]
) -> Stated | NotStated:
    """The statement in the light of the text behind it; `unsaid` are places that nobody asserts."""
    behind = text[found.end : found.end + FAR]
    if len(behind) <= len("."):
        return stated
    for start, end in unsaid:
        begin, over = start - found.end, TAKEN_BACK.search(text, end, end + 60)
        if 0 <= begin < FAR:  # `Some say the answer is 20. That is wrong.`
            until = (over.end() if over and over.start() <= end + 40 else end) - found.end
            behind = behind[:begin] + " " * (until - begin) + behind[until:]
    words = words_that_count(stated.words, behind)
    if words is None:
        return NotStated("taken_back")
    return stated if words == stated.words else Stated(words, words, False)


def _calm(words: str) -> str:
    """Runs of blanks made one, so that no later pattern can be slow on them; line breaks stay."""
    if words.isascii() and words.isprintable() and "  " not in words:
        return words.strip()
    lines = (BLANKS.sub(" ", part).strip() for part in words.split("\n"))
    return "\n".join(line for line in lines if line)
