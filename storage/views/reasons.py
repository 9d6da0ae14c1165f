"""The codes that stand in the tables, each with the sentence that explains it: plain data.

A row is added here before a code is stored anywhere; the glossary of the database is read from these tables.
"""

REASONS: dict[str, str] = {
    # verdicts: correct
    "equal": "The stated answer equals the reference.",
    "majority": "The stated answer belongs to the class that won the vote of the question's paths.",
    "human": "A person judged this path.",
    "second_opinion": "A second, independent judge read this path for the audit; it never decides what is trained on.",
    # verdicts: wrong
    "answer_differs": "The stated answer was read, and differs from the reference.",
    "ambiguous": "Two different answers were offered where one was asked for.",
    "not_evaluated": "The answer restates a calculation and does not say its value.",
    "not_an_answer": "What was stated as the answer is not of the kind that was asked for.",
    "minority": "The stated answer lost the vote of the question's paths.",
    # verdicts: unjudged
    "no_final_answer": "The text states no final answer.",
    "taken_back": "The text takes its stated answer back and states no other.",
    "cut_off": "The text ended at the length limit, or inside a box, before its answer was complete.",
    "timed_out": "Comparing the answers took longer than the deadline; the case was ended.",
    "worker_died": "The process that compared the answers ended unexpectedly.",
    "comparison_failed": "The answers could not be compared: the algebra raised an error.",
    "no_reference": "The question has no reference answer.",
    "bad_reference": "The question's reference answer cannot be read as its kind.",
    "no_majority": "The question's paths reached no majority that met the thresholds.",
    "malformed_row": "The row of the file could not be read.",
    # selections
    "kept": "It became a training example.",
    "duplicate": "The same text is already in the training set for this question.",
    "over_keep": "The question had more accepted paths than are kept; the seed chose others.",
    "contaminated": "It overlaps a question that is used for evaluation.",
    "over_length": "It is longer than the training length.",
    "over_hinted_share": "Hinted paths would have exceeded their share of the training set.",
    "not_boxed": "The recipe wants the answer boxed, and it is not.",
    "no_numbered_list": "The recipe wants a numbered list, and there is none.",
    "self_check_no": "The model's own check said no.",
    "over_count": "The training set was limited to fewer examples; the seed chose others.",
    "over_budget": "The method's share of generated tokens was spent before it.",
    "unmatched_question": "Another method of the comparison has nothing to learn from this question.",
    "empty_text": "The model wrote nothing.",
    "cut": "Its own text ended at the length limit, whether or not an answer was asked for afterwards.",
    "no_work": "It states an answer with next to nothing before it.",
    "answer_not_reached": "Its answer does not come of its work: the value stands nowhere in it, or the model, shown "
    "the work alone, stated another.",
    "over_answer_ratio": "Its set had too many examples with this answer for each of the rarest answer.",
    "mentions_given_answer": "It was shown the answer, and speaks of having been shown it.",
    "not_judged_yet": "It has no verdict yet.",
}

FAILURES: dict[str, str] = {
    "prompt_too_long": "The prompt does not fit into the model's length.",
    "empty_text": "The model wrote nothing, however often it was asked.",
    "timed_out": "No whole reply came within the time for a request.",
    "unreachable": "The endpoint could not be reached.",
    "closed": "The endpoint closed the connection, or ended the text for a reason of its own.",
    "busy": "The endpoint asked to wait for longer than the request may take.",
    "garbage": "The reply was not what the protocol says.",
    "endpoint_error": "The endpoint failed, or was given up.",
    "refused": "The endpoint refused the request.",
    "unauthorized": "The endpoint wants a key, or another one.",
    "quota_spent": "The account's limit at the endpoint is reached.",
    "unknown_model": "The endpoint does not serve the model.",
    "wrong_url": "The address is not that of an OpenAI-compatible server.",
}

CODES: dict[str, dict[str, str]] = {
    "verdict": {
        "correct": "The stated answer is right.",
        "wrong": "The stated answer is not right.",
        "unjudged": "It could not be judged; never the same as wrong.",
    },
    "verifier": {
        "reference": "The rules compared the stated answer with the reference.",
        "majority": "The question's paths voted; it counts where there is no reference.",
        "second": "The independent judge of the audit; it never decides what is trained on.",
        "human": "A person; this verdict counts before all others.",
    },
    "strategy": {
        "regenesis": "Guideline, adapted guideline, structure, path: the whole ladder.",
        "no_adaptation": "The structure is made from the guideline as it stands.",
        "no_structure": "The path is written from the adapted guideline.",
        "no_adaptation_no_structure": "The path is written from the guideline as it stands.",
        "direct": "Plain chain of thought, no guideline.",
        "reference": "What the question's set gives as its answer; no model wrote it.",
    },
    "outcome": {
        "promoted": "The challenger became the champion.",
        "refused": "The challenger was significantly worse where it must not be.",
        "inconclusive": "The questions could show neither gain nor loss.",
        "budget_spent": "The round ended at its budget.",
    },
    "status": {
        "running": "The round is not at its end; the next call goes on with it.",
        "finished": "Its report is written.",
        "failed": "Nothing can finish it; its reason says why.",
        "abandoned": "A person began another one in its place; its reason says why.",
    },
    "part": {
        "train": "Paths are written for it.",
        "gate": "Read by the promotion rule.",
        "final": "Read by no decision, only reported.",
    },
    "domain": {
        "in_domain": "Of a set that is trained on; the questions evaluated are held out.",
        "out_of_domain": "Of a set that is never trained on.",
    },
    "role": {
        "base": "The model before any training.",
        "champion": "The best model so far, when the round began.",
        "challenger": "The model that the round trained.",
        "control": "A model trained beside it by another method, for comparison.",
    },
    "finish_reason": {
        "stop": "The model ended its text.",
        "length": "The text was cut at its length limit.",
        "model_length": "The text was cut at the model's longest length.",
        "max_tokens": "The text was cut at its length limit.",
        "content_filter": "The server cut the text. Any other word that a server says is a cut, too.",
        "error": "The endpoint ended it.",
    },
    "reason": REASONS,
    "failure": FAILURES,
}
