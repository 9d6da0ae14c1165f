SELECT s.name AS question_set, e.role, avg(f.value) FILTER (f.name = 'stopped' AND f.reading = '') AS stopped,
    avg(f.value) FILTER (f.name = 'unjudged' AND f.reading = 'strict') AS unjudged_strict, avg(f.value) FILTER (f.name = 'unjudged' AND f.reading = 'lenient') AS unjudged_lenient
FROM evaluation_figures AS f JOIN evaluations AS e ON e.id = f.evaluation_id
JOIN question_sets AS s ON s.id = e.question_set_id
WHERE e.round_id = $round AND e.part = 'gate' AND f.source = 'regenesis'
GROUP BY s.domain, s.name, e.role, e.model_id
ORDER BY s.domain, s.name, list_position(['base', 'champion', 'challenger'], e.role), e.model_id
