-- model_lineage: One row per trained model, training set it learnt from (its own and its ancestors') and guideline. Key: model_id, training_set_id, guideline_id (null: direct paths). Co-occurrence, not cause.
-- model_id: The trained model
-- model: Its readable name
-- base_model: Name of its base model
-- adapter_id: The adapter that was trained on this set: the model's own, or an ancestor's
-- adapter: Its readable name
-- generation: 0 for the model's own adapter, 1 for the adapter that it went on from, and so on
-- training_set_id: The training set
-- training_set: Its readable name: round and method
-- round: Number of the round that made the set; null outside a round
-- guideline_id: The guideline at the head of the chains; null for direct paths
-- guideline: Its readable name
-- examples: Training examples of this guideline in the set
-- hinted_examples: Of them from hinted paths
-- questions: Questions they ask
-- path_ids: Their paths, as a list. That they were in the set of a model whose answer changed is co-occurrence, not cause
WITH RECURSIVE ancestry AS (
    SELECT m.id AS model_id, a.id AS adapter_id, a.parent_adapter_id, a.training_set_id, 0::BIGINT AS generation
    FROM models AS m
    JOIN adapters AS a ON a.id = m.adapter_id
    UNION ALL
    SELECT n.model_id, a.id, a.parent_adapter_id, a.training_set_id, n.generation + 1
    FROM ancestry AS n
    JOIN adapters AS a ON a.id = n.parent_adapter_id
),
learnt AS (
    SELECT model_id, training_set_id, min(generation) AS generation, arg_min(adapter_id, generation) AS adapter_id
    FROM ancestry
    GROUP BY model_id, training_set_id
),
contents AS (
    SELECT
        te.training_set_id,
        p.guideline_id,
        count(*) AS examples,
        count(*) FILTER (p.hinted) AS hinted_examples,
        count(DISTINCT te.question_id) AS questions,
        list(te.path_id ORDER BY te.position) AS path_ids
    FROM training_examples AS te
    LEFT JOIN paths AS p ON p.id = te.path_id AND p.draw = te.draw
    GROUP BY te.training_set_id, p.guideline_id
)
SELECT
    n.model_id,
    m.name AS model,
    b.name AS base_model,
    n.adapter_id,
    ad.name AS adapter,
    n.generation,
    n.training_set_id,
    coalesce('round ' || r.number, 'no round') || ' ' || ts.method AS training_set,
    r.number AS round,
    c.guideline_id,
    g.name AS guideline,
    c.examples,
    c.hinted_examples,
    c.questions,
    c.path_ids
FROM learnt AS n
JOIN contents AS c ON c.training_set_id = n.training_set_id
LEFT JOIN models AS m ON m.id = n.model_id
LEFT JOIN models AS b ON b.id = m.base_model_id
LEFT JOIN adapters AS ad ON ad.id = n.adapter_id
LEFT JOIN training_sets AS ts ON ts.id = n.training_set_id
LEFT JOIN rounds AS r ON r.id = ts.round_id
LEFT JOIN guidelines AS g ON g.id = c.guideline_id
