-- accepted_paths: One row per path whose verdict that counts is correct. Key: path_id. Hinted ones are there, and tagged.
-- path_id: The path
-- round: Number of the round that paid for it; null outside a round
-- draw: Draw of samples; the round's number in a round
-- question_set: Name of the question's set
-- domain: in_domain or out_of_domain
-- question_id: The question
-- source_row_id: The source's own row id
-- question: The question as asked
-- reference_answer: Reference answer; where several count, all of them, with "or" between
-- guideline_id: The guideline at the chain's head; null for direct paths
-- guideline: Its readable name
-- path: What the model wrote
-- strategy: regenesis, no_adaptation, no_structure or direct
-- hinted: Whether the reference answer was shown to this chain
-- closed: Whether answer extraction closed it
-- model_id: The model that wrote it
-- model: Its readable name
-- completion_tokens: Generated tokens of the path alone
-- verdict_id: The verdict that counts
-- verifier: reference, majority or human
-- extracted: The stated answer that was compared
-- training_sets: How many training sets hold it
SELECT
    p.id AS path_id,
    r.number AS round,
    p.draw,
    qs.name AS question_set,
    qs.domain,
    p.question_id,
    q.source_row_id,
    q.text AS question,
    q.answer || coalesce(' or ' || array_to_string(q.other_answers, ' or '), '') AS reference_answer,
    p.guideline_id,
    g.name AS guideline,
    p.text AS path,
    p.strategy,
    p.hinted,
    p.closed,
    p.model_id,
    m.name AS model,
    p.completion_tokens,
    v.verdict_id,
    v.verifier,
    v.extracted,
    coalesce(t.training_sets, 0) AS training_sets
FROM paths AS p
JOIN current_verdicts AS v ON v.path_id = p.id AND v.draw = p.draw AND v.verdict = 'correct'
LEFT JOIN questions AS q ON q.id = p.question_id
LEFT JOIN question_sets AS qs ON qs.id = q.question_set_id
LEFT JOIN guidelines AS g ON g.id = p.guideline_id
LEFT JOIN models AS m ON m.id = p.model_id
LEFT JOIN rounds AS r ON r.id = p.round_id
LEFT JOIN (SELECT path_id, draw, count(*) AS training_sets FROM training_examples GROUP BY path_id, draw) AS t
    ON t.path_id = p.id AND t.draw = p.draw
