-- lineage: One row per path, with everything it came from and every model it taught. Key: path_id. Filter by draw to look at one round fast.
-- path_id: The path
-- round: Number of the round that paid for it; null outside a round
-- draw: Draw of samples; the round's number in a round
-- question_set: Name of the question's set
-- domain: in_domain or out_of_domain
-- part: train, gate or final
-- question_id: The question
-- source_row_id: The source's own row id; leads back to the file that was ingested
-- question: The question as asked
-- reference_answer: Reference answer; where several count, all of them, with "or" between
-- guideline_id: The guideline at the chain's head; null for direct paths
-- guideline: Its readable name
-- adapted_guideline_id: The adapted guideline; null without adaptation
-- adapted_guideline: Its text
-- structure_id: The structure; null without structure
-- structure: Its text
-- path: What the model wrote
-- strategy: regenesis, no_adaptation, no_structure or direct
-- hinted: Whether the reference answer was shown to this chain
-- closed: Whether answer extraction closed it
-- sample: Which of several samples of the same request
-- finish_reason: stop, length or error
-- model_id: The model that wrote it
-- model: Its readable name
-- chain_tokens: Generated tokens of adapted guideline, structure and path together; shared parents count in each
-- verdict_id: The verdict that counts; null before judging
-- verdict: correct, wrong or unjudged; null before judging
-- reason: Short code of the verdict; the glossary explains it
-- extracted: The stated answer that was compared
-- training_set_ids: Training sets that hold it, as a list; empty for none
-- trained_model_ids: Models whose own training set holds it, as a list; empty for none
-- trained_models: Their readable names, in the same order
SELECT
    p.id AS path_id,
    r.number AS round,
    p.draw,
    qs.name AS question_set,
    qs.domain,
    q.part,
    p.question_id,
    q.source_row_id,
    q.text AS question,
    q.answer || coalesce(' or ' || array_to_string(q.other_answers, ' or '), '') AS reference_answer,
    p.guideline_id,
    g.name AS guideline,
    p.adapted_guideline_id,
    a.text AS adapted_guideline,
    p.structure_id,
    s.text AS structure,
    p.text AS path,
    p.strategy,
    p.hinted,
    p.closed,
    p.sample,
    p.finish_reason,
    p.model_id,
    m.name AS model,
    p.completion_tokens + coalesce(s.completion_tokens, 0) + coalesce(a.completion_tokens, 0) AS chain_tokens,
    v.verdict_id,
    v.verdict,
    v.reason,
    v.extracted,
    coalesce(t.training_set_ids, []) AS training_set_ids,
    coalesce(t.trained_model_ids, []) AS trained_model_ids,
    coalesce(t.trained_models, []) AS trained_models
FROM paths AS p
LEFT JOIN questions AS q ON q.id = p.question_id
LEFT JOIN question_sets AS qs ON qs.id = q.question_set_id
LEFT JOIN guidelines AS g ON g.id = p.guideline_id
LEFT JOIN adapted_guidelines AS a ON a.id = p.adapted_guideline_id AND a.draw = p.draw
LEFT JOIN structures AS s ON s.id = p.structure_id AND s.draw = p.draw
LEFT JOIN models AS m ON m.id = p.model_id
LEFT JOIN rounds AS r ON r.id = p.round_id
LEFT JOIN current_verdicts AS v ON v.path_id = p.id AND v.draw = p.draw
LEFT JOIN (
    SELECT
        te.path_id,
        te.draw,
        list(DISTINCT te.training_set_id ORDER BY te.training_set_id) AS training_set_ids,
        list(mo.id ORDER BY mo.name, mo.id) FILTER (mo.id IS NOT NULL) AS trained_model_ids,
        list(mo.name ORDER BY mo.name, mo.id) FILTER (mo.id IS NOT NULL) AS trained_models
    FROM training_examples AS te
    LEFT JOIN (
        SELECT ad.training_set_id, m2.id, m2.name
        FROM adapters AS ad
        JOIN models AS m2 ON m2.adapter_id = ad.id
    ) AS mo ON mo.training_set_id = te.training_set_id
    GROUP BY te.path_id, te.draw
) AS t ON t.path_id = p.id AND t.draw = p.draw
