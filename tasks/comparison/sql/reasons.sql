SELECT t.method, s.reason, count(*) AS paths
FROM trials AS t JOIN selections AS s ON s.training_set_id = t.training_set_id
WHERE t.comparison_id = $comparison GROUP BY t.method, s.reason
ORDER BY t.method, paths DESC, s.reason
