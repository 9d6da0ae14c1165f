SELECT DISTINCT t.method, t.seed, t.learning_rate, t.iteration AS round,
    json_extract(p.health, '$.distinct_2')::DOUBLE AS distinct_2,
    json_extract(p.health, '$.mean_tokens')::DOUBLE AS mean_tokens,
    json_extract(p.health, '$.near_duplicate_rate')::DOUBLE AS near_duplicate_rate,
    json_extract(p.health, '$.pass_at_1')::DOUBLE AS pass_at_1,
    json_extract(p.health, '$.pass_at_k')::DOUBLE AS pass_at_k
FROM trials AS t JOIN pools AS p ON p.id = t.pool_id
WHERE t.comparison_id = $comparison AND t.iterations > 1
ORDER BY t.method, t.seed, t.learning_rate, round
