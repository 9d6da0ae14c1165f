-- hint_share: One row per training set: how much of it comes from paths that were shown the answer. Key: training_set_id.
-- training_set_id: The training set
-- training_set: Its readable name: round and method
-- method: regenesis, random, rft, ...
-- round: Number of the round that made it; null outside a round
-- examples: Training examples in it, counted
-- hinted_examples: Of them from hinted paths
-- hinted_share: Their share; null for an empty set
SELECT
    ts.id AS training_set_id,
    coalesce('round ' || r.number, 'no round') || ' ' || ts.method AS training_set,
    ts.method,
    r.number AS round,
    count(te.id) AS examples,
    count(te.id) FILTER (p.hinted) AS hinted_examples,
    count(te.id) FILTER (p.hinted) / nullif(count(te.id), 0) AS hinted_share
FROM training_sets AS ts
LEFT JOIN rounds AS r ON r.id = ts.round_id
LEFT JOIN training_examples AS te ON te.training_set_id = ts.id
LEFT JOIN paths AS p ON p.id = te.path_id AND p.draw = te.draw
GROUP BY ts.id, ts.method, r.number
