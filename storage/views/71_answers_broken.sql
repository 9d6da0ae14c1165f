-- answers_broken: One row per pair of answers of two models to the same question, draw, prompt, sampling and sample, of which the first was correct and the second is not, read strictly. Key: before_answer_id, after_answer_id.
-- question_set: Name of the question's set
-- domain: in_domain or out_of_domain
-- part: gate or final
-- question_id: The question
-- source_row_id: The source's own row id
-- question: The question as asked
-- reference_answer: Reference answer; where several count, all of them, with "or" between
-- draw: Draw of the answers; the round's number in a round
-- sample: Which of several samples
-- before_model_id: The model compared against
-- before_model: Its readable name
-- after_model_id: The other model
-- after_model: Its readable name
-- before_answer_id: Answer of the model compared against
-- before_answer: Its text
-- before_extracted: What the strict reading took from it
-- after_answer_id: Answer of the other model
-- after_answer: Its text
-- after_extracted: What the strict reading took from it
SELECT
    qs.name AS question_set,
    qs.domain,
    q.part,
    b.question_id,
    q.source_row_id,
    q.text AS question,
    q.answer || coalesce(' or ' || array_to_string(q.other_answers, ' or '), '') AS reference_answer,
    b.draw,
    b.sample,
    b.model_id AS before_model_id,
    mb.name AS before_model,
    a.model_id AS after_model_id,
    ma.name AS after_model,
    b.id AS before_answer_id,
    b.text AS before_answer,
    b.strict_extracted AS before_extracted,
    a.id AS after_answer_id,
    a.text AS after_answer,
    a.strict_extracted AS after_extracted
FROM answers AS b
JOIN answers AS a
    ON a.question_id = b.question_id AND a.draw = b.draw AND a.sample = b.sample
    AND a.prompt_id = b.prompt_id AND a.sampling = b.sampling AND a.model_id <> b.model_id
    AND b.strict_verdict = 'correct' AND a.strict_verdict <> 'correct'
LEFT JOIN questions AS q ON q.id = b.question_id
LEFT JOIN question_sets AS qs ON qs.id = q.question_set_id
LEFT JOIN models AS mb ON mb.id = b.model_id
LEFT JOIN models AS ma ON ma.id = a.model_id
