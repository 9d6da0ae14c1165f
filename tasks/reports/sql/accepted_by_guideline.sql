SELECT g.name AS guideline, count(*) AS paths, count(*) FILTER (v.verdict = 'correct') AS accepted
FROM paths AS p JOIN guidelines AS g ON g.id = p.guideline_id
LEFT JOIN current_verdicts AS v ON v.path_id = p.id AND v.draw = p.draw
WHERE p.draw = $number AND NOT p.hinted
GROUP BY g.id, g.name, g.position ORDER BY accepted DESC, g.position, g.id
