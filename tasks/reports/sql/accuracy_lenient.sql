SELECT s.name AS question_set, m.name AS model, e.role, e.questions, e.lenient_correct AS correct,
    e.lenient_correct / e.questions AS accuracy, e.lenient_low AS low, e.lenient_high AS high
FROM evaluations AS e JOIN question_sets AS s ON s.id = e.question_set_id JOIN models AS m ON m.id = e.model_id
WHERE e.round_id = $round AND e.part = 'gate' AND e.domain = $domain
ORDER BY s.name, list_position(['base', 'champion', 'challenger'], e.role), m.name
