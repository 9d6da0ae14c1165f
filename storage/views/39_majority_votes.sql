-- majority_votes: One row per question, draw, strategy and model whose paths voted: the class of equal answers that won, and whether it is right. Key: question_id, draw, strategy, model_id.
-- question_id: The question
-- draw: The draw of its paths
-- strategy: How those paths were written
-- model_id: The model that wrote them
-- question_set: Its set
-- source_row_id: The source's own row id
-- question: Its text
-- voters: Paths that voted; hinted ones do not
-- winner: The answer that won, as one of its paths stated it; null where no class met the thresholds
-- share: Share of the stated answers that the winner had
-- margin: Its lead over the next class, as a share
-- entropy: Of the classes, in bits; 0 where all agree
-- winner_is_right: What the reference judge says of the winner's paths; null without a reference or a winner
WITH newest AS (
    SELECT path_id, draw, verifier, arg_max(verdict, created_at) AS verdict, arg_max(details, created_at) AS details
    FROM verdicts WHERE verifier IN ('reference', 'majority') GROUP BY path_id, draw, verifier
)
SELECT
    p.question_id,
    v.draw,
    p.strategy,
    p.model_id,
    any_value(s.name) AS question_set,
    any_value(q.source_row_id) AS source_row_id,
    any_value(q.text) AS question,
    count(*) AS voters,
    any_value(json_extract_string(v.details, '$.winner')) AS winner,
    any_value(json_extract(v.details, '$.share')::DOUBLE) AS share,
    any_value(json_extract(v.details, '$.margin')::DOUBLE) AS margin,
    any_value(json_extract(v.details, '$.entropy')::DOUBLE) AS entropy,
    bool_or(r.verdict = 'correct') FILTER (v.verdict = 'correct' AND r.verdict <> 'unjudged') AS winner_is_right
FROM newest AS v
JOIN paths AS p ON p.id = v.path_id AND p.draw = v.draw
JOIN questions AS q ON q.id = p.question_id
LEFT JOIN question_sets AS s ON s.id = q.question_set_id
LEFT JOIN newest AS r ON r.path_id = v.path_id AND r.draw = v.draw AND r.verifier = 'reference'
WHERE v.verifier = 'majority'
GROUP BY p.question_id, v.draw, p.strategy, p.model_id
