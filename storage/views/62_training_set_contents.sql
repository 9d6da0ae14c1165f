-- training_set_contents: One row per training example, as trained. Key: training_example_id.
-- training_example_id: The training example
-- training_set_id: The training set
-- training_set: Its readable name: round and method
-- method: The training set's method
-- round: Number of the round that made it; null outside a round
-- position: Place in the set, from 0
-- question_set: Name of the question's set
-- question_id: The question asked
-- source_row_id: The source's own row id
-- path_id: The path it teaches
-- guideline_id: The guideline at the chain's head; null for direct paths
-- guideline: Its readable name
-- strategy: regenesis, no_adaptation, no_structure or direct
-- hinted: Whether the reference answer was shown to this chain
-- model: Name of the model that wrote the path
-- prompt: User message, as in evaluation
-- completion: Assistant message that bears the loss
SELECT
    te.id AS training_example_id,
    te.training_set_id,
    coalesce('round ' || ts.round, 'no round') || ' ' || ts.method AS training_set,
    ts.method,
    ts.round,
    te.position,
    qs.name AS question_set,
    te.question_id,
    q.source_row_id,
    te.path_id,
    p.guideline_id,
    g.name AS guideline,
    p.strategy,
    p.hinted,
    m.name AS model,
    te.prompt,
    te.completion
FROM training_examples AS te
LEFT JOIN (  -- together, so that a named round narrows the examples before the rest is joined
    SELECT t.id, t.method, r.number AS round FROM training_sets AS t LEFT JOIN rounds AS r ON r.id = t.round_id
) AS ts ON ts.id = te.training_set_id
LEFT JOIN questions AS q ON q.id = te.question_id
LEFT JOIN question_sets AS qs ON qs.id = q.question_set_id
LEFT JOIN paths AS p ON p.id = te.path_id AND p.draw = te.draw
LEFT JOIN guidelines AS g ON g.id = p.guideline_id
LEFT JOIN models AS m ON m.id = p.model_id
