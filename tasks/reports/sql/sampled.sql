SELECT s.domain, s.name AS question_set, e.role, f.reading, f.name AS figure, f.k, f.questions, f.value, f.low, f.high
FROM evaluation_figures AS f JOIN evaluations AS e ON e.id = f.evaluation_id
JOIN question_sets AS s ON s.id = e.question_set_id JOIN models AS m ON m.id = e.model_id
WHERE e.round_id = $round AND e.part = 'gate' AND f.source = 'regenesis' AND f.name IN ('pass_at_k', 'maj_at_k')
ORDER BY s.domain, s.name, list_position(['base', 'champion', 'challenger'], e.role), m.name, f.reading DESC, figure DESC, f.k
