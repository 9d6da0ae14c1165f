-- guideline_leaderboard: One row per guideline, over all draws; guideline_history has each draw. Key: guideline_id.
-- guideline_id: The guideline
-- guideline: Its readable name
-- attempts: Paths without a hint
-- correct: Of them correct
-- accuracy: Share of the attempts without a hint that are correct; null without any
-- hinted_attempts: Paths with the answer shown
-- hinted_correct: Of them correct
-- questions: Questions it was tried on, counted once a draw
-- solved: Questions that it solved without a hint, counted once a draw
-- unique_solves: Of them those that no other guideline solved without a hint in the same draw
-- tokens: Generated tokens of its paths
-- tokens_per_correct: Tokens for each correct path, with or without a hint; null where there is none
SELECT
    guideline_id,
    guideline,
    sum(attempts)::BIGINT AS attempts,
    sum(correct)::BIGINT AS correct,
    sum(correct) / nullif(sum(attempts), 0) AS accuracy,
    sum(hinted_attempts)::BIGINT AS hinted_attempts,
    sum(hinted_correct)::BIGINT AS hinted_correct,
    sum(questions)::BIGINT AS questions,
    sum(solved)::BIGINT AS solved,
    sum(unique_solves)::BIGINT AS unique_solves,
    sum(tokens)::BIGINT AS tokens,
    sum(tokens) / nullif(sum(correct) + sum(hinted_correct), 0) AS tokens_per_correct
FROM guideline_history
GROUP BY guideline_id, guideline
