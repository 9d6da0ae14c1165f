-- guideline_attempts: One row per guideline, draw and question that it was tried on. Key: guideline_id, draw, question_id. The base of the leaderboard.
-- guideline_id: The guideline
-- draw: Draw of samples; the round's number in a round
-- question_id: The question
-- attempts: Paths without a hint
-- correct: Of them correct
-- hinted_attempts: Paths with the answer shown
-- hinted_correct: Of them correct
-- tokens: Generated tokens of all these paths; adapted guidelines and structures are not in it
SELECT
    p.guideline_id,
    p.draw,
    p.question_id,
    count(*) FILTER (NOT p.hinted) AS attempts,
    count(*) FILTER (NOT p.hinted AND v.verdict = 'correct') AS correct,
    count(*) FILTER (p.hinted) AS hinted_attempts,
    count(*) FILTER (p.hinted AND v.verdict = 'correct') AS hinted_correct,
    sum(p.completion_tokens)::BIGINT AS tokens
FROM paths AS p
LEFT JOIN current_verdicts AS v ON v.path_id = p.id AND v.draw = p.draw
WHERE p.guideline_id IS NOT NULL
GROUP BY p.guideline_id, p.draw, p.question_id
