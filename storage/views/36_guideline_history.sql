-- guideline_history: One row per guideline and draw. Key: guideline_id, draw.
-- guideline_id: The guideline
-- guideline: Its readable name
-- draw: Draw of samples; the round's number in a round
-- attempts: Paths without a hint
-- correct: Of them correct
-- hinted_attempts: Paths with the answer shown
-- hinted_correct: Of them correct
-- questions: Questions it was tried on
-- solved: Questions that it solved without a hint
-- unique_solves: Questions that no other guideline solved without a hint in this draw
-- tokens: Generated tokens of its paths
-- tokens_per_correct: Tokens for each correct path, with or without a hint; null where there is none
SELECT
    t.guideline_id,
    g.name AS guideline,
    t.draw,
    sum(t.attempts)::BIGINT AS attempts,
    sum(t.correct)::BIGINT AS correct,
    sum(t.hinted_attempts)::BIGINT AS hinted_attempts,
    sum(t.hinted_correct)::BIGINT AS hinted_correct,
    count(*) AS questions,
    count(*) FILTER (t.correct > 0) AS solved,
    count(*) FILTER (t.correct > 0 AND t.solvers = 1) AS unique_solves,
    sum(t.tokens)::BIGINT AS tokens,
    sum(t.tokens) / nullif(sum(t.correct) + sum(t.hinted_correct), 0) AS tokens_per_correct
FROM (
    SELECT *, count(*) FILTER (correct > 0) OVER (PARTITION BY draw, question_id) AS solvers
    FROM guideline_attempts
) AS t
LEFT JOIN guidelines AS g ON g.id = t.guideline_id
GROUP BY t.guideline_id, g.name, t.draw
