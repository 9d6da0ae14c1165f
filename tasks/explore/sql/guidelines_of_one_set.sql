SELECT
    g.name AS guideline, sum(attempts)::BIGINT AS attempts, sum(correct)::BIGINT AS correct,
    count(*) FILTER (correct > 0) AS solved,
    count(*) FILTER (correct > 0 AND solvers = 1) AS unique_solves,
    sum(hinted_correct)::BIGINT AS hinted_correct,
    sum(tokens) / nullif(sum(correct) + sum(hinted_correct), 0) AS tokens_per_correct
FROM (
    SELECT t.*, count(*) FILTER (correct > 0) OVER (PARTITION BY t.draw, t.question_id) AS solvers
    FROM guideline_attempts AS t
    JOIN questions AS q ON q.id = t.question_id
    JOIN question_sets AS s ON s.id = q.question_set_id
    $where
) AS a
JOIN guidelines AS g ON g.id = a.guideline_id
GROUP BY g.id, g.name
