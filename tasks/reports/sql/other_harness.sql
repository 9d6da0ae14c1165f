SELECT s.name AS question_set, e.role, f.source, f.reading, f.questions,
    if(f.reading = 'strict', e.strict_correct, e.lenient_correct) / e.questions AS ours, f.value AS theirs,
    f.low, f.high
FROM evaluation_figures AS f JOIN evaluations AS e ON e.id = f.evaluation_id
JOIN question_sets AS s ON s.id = e.question_set_id JOIN models AS m ON m.id = e.model_id
WHERE e.round_id = $round AND e.part = 'gate' AND f.name = 'exact_match'
ORDER BY s.domain, s.name, list_position(['base', 'champion', 'challenger'], e.role), m.name, f.reading DESC
