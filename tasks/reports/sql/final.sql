SELECT s.name AS question_set, e.role, e.questions,
    e.strict_correct, e.strict_correct / e.questions AS strict, e.strict_low, e.strict_high,
    e.lenient_correct, e.lenient_correct / e.questions AS lenient, e.lenient_low, e.lenient_high
FROM evaluations AS e JOIN question_sets AS s ON s.id = e.question_set_id JOIN models AS m ON m.id = e.model_id
WHERE e.round_id = $round AND e.part = 'final' AND e.domain = $domain
ORDER BY s.name, list_position(['base', 'champion', 'challenger'], e.role), m.name
