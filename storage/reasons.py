"""The reason codes of verdicts and selections, each with the sentence that explains it: plain data.

A row is added here before a code is stored anywhere; the glossary of the database is read from this table.
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
    "empty_text": "The model wrote nothing.",
    "mentions_given_answer": "It was shown the answer, and speaks of having been shown it.",
    "not_judged_yet": "It has no verdict yet.",
}
