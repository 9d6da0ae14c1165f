-- question_history: One row per question and draw in which a model worked on it. Key: question_id, draw.
-- question_id: The question
-- question_set: Name of its set
-- domain: in_domain or out_of_domain
-- part: train, gate or final
-- source_row_id: The source's own row id
-- question: The question as asked
-- draw: Draw of samples; the round's number in a round
-- paths: Paths without a hint
-- correct_paths: Of them correct
-- hinted_paths: Paths with the answer shown
-- hinted_correct_paths: Of them correct
-- training_examples: Training examples made of these paths, over all training sets
-- answers: Answers in evaluations
-- correct_answers: Of them correct by the strict reading
-- right_models: Names of the models that answered correctly, as a list
-- other_models: Names of the models that did not, as a list
SELECT
    question_id,
    qs.name AS question_set,
    qs.domain,
    q.part,
    q.source_row_id,
    q.text AS question,
    w.draw,
    coalesce(w.paths, 0) AS paths,
    coalesce(w.correct_paths, 0) AS correct_paths,
    coalesce(w.hinted_paths, 0) AS hinted_paths,
    coalesce(w.hinted_correct_paths, 0) AS hinted_correct_paths,
    coalesce(w.training_examples, 0)::BIGINT AS training_examples,
    coalesce(w.answers, 0) AS answers,
    coalesce(w.correct_answers, 0) AS correct_answers,
    coalesce(w.right_models, []) AS right_models,
    coalesce(w.other_models, []) AS other_models
FROM (
    SELECT *
    FROM (
        SELECT
            p.question_id,
            p.draw,
            count(*) FILTER (NOT p.hinted) AS paths,
            count(*) FILTER (NOT p.hinted AND v.verdict = 'correct') AS correct_paths,
            count(*) FILTER (p.hinted) AS hinted_paths,
            count(*) FILTER (p.hinted AND v.verdict = 'correct') AS hinted_correct_paths,
            sum(t.examples) AS training_examples
        FROM paths AS p
        LEFT JOIN current_verdicts AS v ON v.path_id = p.id AND v.draw = p.draw
        LEFT JOIN (SELECT path_id, draw, count(*) AS examples FROM training_examples GROUP BY path_id, draw) AS t
            ON t.path_id = p.id AND t.draw = p.draw
        GROUP BY p.question_id, p.draw
    ) FULL JOIN (
        SELECT
            a.question_id,
            a.draw,
            count(*) AS answers,
            count(*) FILTER (a.strict_verdict = 'correct') AS correct_answers,
            list(DISTINCT m.name ORDER BY m.name) FILTER (a.strict_verdict = 'correct') AS right_models,
            list(DISTINCT m.name ORDER BY m.name) FILTER (a.strict_verdict <> 'correct') AS other_models
        FROM answers AS a
        LEFT JOIN models AS m ON m.id = a.model_id
        GROUP BY a.question_id, a.draw
    ) USING (question_id, draw)
) AS w
LEFT JOIN questions AS q ON q.id = w.question_id
LEFT JOIN question_sets AS qs ON qs.id = q.question_set_id
