SELECT question_set, question, reference_answer, before_answer, after_answer
FROM answers_broken
WHERE before_model_id = $champion AND after_model_id = $challenger AND part = 'gate' AND sample = 0
    AND draw IN (0, $number)
ORDER BY md5(question_id::VARCHAR), after_answer_id LIMIT 6
