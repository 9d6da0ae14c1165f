SELECT m.id, m.name, count(*) AS answers
FROM answers AS a JOIN models AS m ON m.id = a.model_id
GROUP BY ALL ORDER BY max(a.created_at) DESC, m.name
