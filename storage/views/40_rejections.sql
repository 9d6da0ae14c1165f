-- rejections: One row per path and training set that did not take it. Key: selection_id.
-- selection_id: The selection's id
-- training_set_id: The training set
-- training_set: Its readable name: round and method
-- method: The training set's method
-- round: Number of the round that made the training set; null outside a round
-- draw: The path's draw
-- path_id: The path
-- question_set: Name of the question's set
-- question_id: The question
-- source_row_id: The source's own row id
-- question: The question as asked
-- reference_answer: Reference answer; where several count, all of them, with "or" between
-- guideline_id: The guideline at the chain's head; null for direct paths
-- guideline: Its readable name
-- strategy: regenesis, no_adaptation, no_structure or direct
-- hinted: Whether the reference answer was shown to this chain
-- reason: Short code: why it was not taken
-- explanation: The code's meaning, from the glossary
-- verdict: The verdict that was used; null without one
-- extracted: The stated answer that was compared
-- path: What the model wrote
SELECT
    s.id AS selection_id,
    s.training_set_id,
    coalesce('round ' || ts.round, 'no round') || ' ' || ts.method AS training_set,
    ts.method,
    ts.round,
    s.draw,
    s.path_id,
    qs.name AS question_set,
    p.question_id,
    q.source_row_id,
    q.text AS question,
    q.answer || coalesce(' or ' || array_to_string(q.other_answers, ' or '), '') AS reference_answer,
    p.guideline_id,
    g.name AS guideline,
    p.strategy,
    p.hinted,
    s.reason,
    w.meaning AS explanation,
    v.verdict,
    v.extracted,
    p.text AS path
FROM selections AS s
LEFT JOIN (  -- first and together, so that a named round narrows the selections before the rest is joined
    SELECT t.id, t.method, r.number AS round FROM training_sets AS t LEFT JOIN rounds AS r ON r.id = t.round_id
) AS ts ON ts.id = s.training_set_id
LEFT JOIN paths AS p ON p.id = s.path_id AND p.draw = s.draw
LEFT JOIN verdicts AS v ON v.id = s.verdict_id AND v.draw = s.draw
LEFT JOIN questions AS q ON q.id = p.question_id
LEFT JOIN question_sets AS qs ON qs.id = q.question_set_id
LEFT JOIN guidelines AS g ON g.id = p.guideline_id
LEFT JOIN glossary AS w ON w.kind = 'reason' AND w.code = s.reason
WHERE NOT s.kept
