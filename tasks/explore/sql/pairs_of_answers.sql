SELECT
    s.name AS question_set, s.domain, q.part, q.source_row_id, q.text AS question,
    q.answer || coalesce(' or ' || array_to_string(q.other_answers, ' or '), '')
        AS reference_answer,
    a.draw, a.sample, a.question_id,
    a.strict_verdict = 'correct' AS first_right, b.strict_verdict = 'correct' AS second_right,
    a.text AS first_text, a.strict_extracted AS first_extracted, a.strict_verdict AS first_verdict,
    b.text AS second_text, b.strict_extracted AS second_extracted,
    b.strict_verdict AS second_verdict
FROM answers AS a
JOIN answers AS b ON b.question_id = a.question_id AND b.draw = a.draw AND b.sample = a.sample
    AND b.prompt_id = a.prompt_id AND b.sampling = a.sampling
JOIN questions AS q ON q.id = a.question_id
JOIN question_sets AS s ON s.id = q.question_set_id
WHERE a.model_id = $first AND b.model_id = $second
