SELECT s.gain.pairs.questions, s.gain.pairs.before, s.gain.pairs.after, s.gain.pairs.gained,
    s.gain.pairs.lost, s.gain.p_gain, s.alpha_spent, s.gain.p_loss, s.alpha, s.gain.high AS gain_up_to, s.smallest_gain
FROM (SELECT from_json(p.statistics, '{"gain": {"pairs": {"questions": "BIGINT", "before": "BIGINT",
    "after": "BIGINT", "gained": "BIGINT", "lost": "BIGINT"}, "p_gain": "DOUBLE", "p_loss": "DOUBLE",
    "high": "DOUBLE"}, "alpha": "DOUBLE", "alpha_spent": "DOUBLE", "smallest_gain": "DOUBLE"}') AS s
    FROM promotions AS p WHERE p.round_id = $round AND p.decided_by = 'gate')
