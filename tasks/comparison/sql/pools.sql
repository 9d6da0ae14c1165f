SELECT DISTINCT t.seed, t.iteration, p.strategy, m.name AS written_by,
    json_extract(p.settings, '$.chains_per_question')::INT AS chains, p.questions, p.solved,
    p.paths, p.correct, p.hinted_paths, p.hinted_correct, p.tokens,
    json_extract(p.health, '$.distinct_2')::DOUBLE AS distinct_2
FROM trials AS t JOIN pools AS p ON p.id = t.pool_id JOIN models AS m ON m.id = p.model_id
WHERE t.comparison_id = $comparison
ORDER BY t.seed, t.iteration, p.strategy, chains, p.hinted_paths, m.name
