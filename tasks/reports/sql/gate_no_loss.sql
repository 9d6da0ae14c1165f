SELECT t.anchor, t.reading, t.p_loss_as_margin, t.pairs.questions,
    t.pairs.before, t.pairs.after, t.pairs.gained, t.pairs.lost,
    t.low, t.high, -t.margin AS must_be_above
FROM (SELECT unnest(from_json(json_extract(p.statistics, '$.non_inferiority'), '[{"anchor": "VARCHAR",
    "reading": "VARCHAR", "p_loss_as_margin": "DOUBLE", "pairs":
    {"questions": "BIGINT", "before": "BIGINT", "after": "BIGINT", "gained": "BIGINT", "lost": "BIGINT"},
    "low": "DOUBLE", "high": "DOUBLE", "margin": "DOUBLE"}]')) AS t
    FROM promotions AS p WHERE p.round_id = $round AND p.decided_by = 'gate')
ORDER BY t.anchor DESC, t.reading DESC
