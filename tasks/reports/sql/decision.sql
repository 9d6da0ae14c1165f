SELECT p.outcome, p.decided_by, p.state, m.name AS challenger, c.name AS champion_before,
    p.tests_so_far, p.reasons
FROM promotions AS p JOIN models AS m ON m.id = p.challenger_model_id JOIN models AS c ON c.id = p.champion_model_id
WHERE p.round_id = $round ORDER BY p.created_at, p.id
