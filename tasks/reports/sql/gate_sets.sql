SELECT t.name AS question_set, t.domain, t.fresh, t.pairs.questions, t.pairs.before, t.pairs.after,
    t.pairs.gained, t.pairs.lost, t.p_gain, t.p_loss, t.p_beyond_limit, t.blocks
FROM (SELECT unnest(from_json(json_extract(p.statistics, '$.sets'), '[{"name": "VARCHAR", "domain": "VARCHAR",
    "fresh": "BOOLEAN", "pairs": {"questions": "BIGINT", "before": "BIGINT", "after": "BIGINT", "gained": "BIGINT",
    "lost": "BIGINT"}, "p_gain": "DOUBLE", "p_loss": "DOUBLE", "p_beyond_limit": "DOUBLE",
    "blocks": "BOOLEAN"}]')) AS t
    FROM promotions AS p WHERE p.round_id = $round AND p.decided_by = 'gate')
ORDER BY t.domain, t.name
