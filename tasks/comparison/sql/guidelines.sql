SELECT guideline, sum(attempts)::BIGINT AS attempts,
    sum(correct) / nullif(sum(attempts), 0) AS solve_rate, sum(solved)::BIGINT AS solved,
    sum(unique_solves)::BIGINT AS unique_solves,
    sum(tokens) / nullif(sum(correct) + sum(hinted_correct), 0) AS tokens_per_accepted
FROM guideline_history WHERE draw IN $draws GROUP BY guideline_id, guideline
ORDER BY solve_rate DESC NULLS LAST, guideline
