SELECT s.reason, count(*) AS paths
FROM selections AS s JOIN training_sets AS t ON t.id = s.training_set_id
WHERE t.round_id = $round AND NOT s.kept
GROUP BY s.reason ORDER BY paths DESC, s.reason
