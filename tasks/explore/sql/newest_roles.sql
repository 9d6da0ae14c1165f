SELECT e.role, any_value(e.model_id) AS model_id
FROM evaluations AS e JOIN rounds AS r ON r.id = e.round_id
WHERE r.number = (
    SELECT max(number) FROM rounds JOIN evaluations ON round_id = rounds.id AND role = 'challenger'
)
GROUP BY e.role
