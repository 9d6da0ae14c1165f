SELECT r.number AS round, e.role, sum(e.questions)::BIGINT AS questions,
    sum(e.strict_correct) / sum(e.questions) AS accuracy
FROM evaluations AS e JOIN rounds AS r ON r.id = e.round_id
WHERE r.line = $line AND r.number <= $number AND e.part = 'gate' AND e.domain = $domain
GROUP BY r.number, e.role
ORDER BY r.number, list_position(['base', 'champion', 'challenger'], e.role)
