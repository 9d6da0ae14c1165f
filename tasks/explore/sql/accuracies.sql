SELECT r.number AS round, e.role, sum(e.strict_correct) / sum(e.questions) AS accuracy
FROM evaluations AS e JOIN rounds AS r ON r.id = e.round_id
WHERE e.part = 'gate' AND e.domain = $domain
GROUP BY ALL ORDER BY e.role, round
